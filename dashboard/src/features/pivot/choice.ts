/** What the table of the breakdown shows: kept in the address, under the API's names. */

import { DIMENSIONS, MEASURES } from "@/shared/search/dimensions";
import type { Address } from "@/shared/search/use-address";

export interface PivotChoice {
  rows: string[];
  columns: string[];
  measure: string;
  order: "desc" | "asc";
  limit: number;
  columnsLimit: number;
}

export const NAMES_MAX = 3;
export const ROWS_MAX = 200;
export const COLUMNS_MAX = 20;
const ROWS = 50;
const COLUMNS = 8;

/** Moments, and sums that only ratios are made of, say nothing in a table. */
const NOT_SHOWN: readonly string[] = ["total_us", "completed_us", "completed_output_tokens"];
export const OFFERED = MEASURES.filter(({ name, unit }) => unit !== "ns" && !NOT_SHOWN.includes(name));

export function readChoice(address: Address): PivotChoice {
  const rows = namesOf(address.rows);
  const chosen = rows.length === 0 ? ["model"] : rows;
  return {
    rows: chosen,
    columns: namesOf(address.columns).filter((name) => !chosen.includes(name)),
    measure: OFFERED.some(({ name }) => name === address.measure) ? (address.measure ?? "") : "cost_pico",
    order: address.order === "asc" ? "asc" : "desc",
    limit: within(address.limit, ROWS, ROWS_MAX),
    columnsLimit: within(address.columns_limit, COLUMNS, COLUMNS_MAX),
  };
}

/** The dimensions that a text names: each once, three at most; any `tag.NAME` is one. */
function namesOf(text: string | undefined): string[] {
  const known: readonly string[] = DIMENSIONS;
  const names = (text ?? "").split(",").map((name) => name.trim());
  const real = names.filter((name) => known.includes(name) || /^tag\../.test(name));
  return [...new Set(real)].slice(0, NAMES_MAX);
}

function within(text: string | undefined, usual: number, most: number): number {
  const number = Number(text);
  return Number.isInteger(number) && number > 0 ? Math.min(number, most) : usual;
}
