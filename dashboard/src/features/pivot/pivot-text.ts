/** The table as a spreadsheet takes it from the clipboard. Figures keep every digit. */

import type { Pivot, PivotCell } from "@/shared/api/types";

export function pivotText(pivot: Pivot): string {
  const heads = [
    ...pivot.rows,
    "all",
    ...pivot.column_keys.map((keys) => keys.map(named).join(" / ")),
    ...(pivot.rest_columns > 0 ? ["everything else"] : []),
  ];
  const figures = (total: PivotCell, cells: readonly PivotCell[]): string[] =>
    [total, ...cells].map((cell) => figure(cell, pivot.unit));
  const blank = (first: string): string[] => [first, ...pivot.rows.slice(1).map(() => "")];
  const lines = [
    heads,
    ...pivot.lines.map((line) => [
      ...(line.is_rest ? blank("everything else") : line.keys.map(named)),
      ...figures(line.total, line.cells),
    ]),
    [...blank("all"), ...figures(pivot.total, pivot.totals)],
  ];
  return `${lines.map((line) => line.map(quoted).join("\t")).join("\r\n")}\r\n`;
}

function named(key: string | null): string {
  return key ?? "none";
}

/** Dollars as a decimal; every other unit as the whole number that it is. */
function figure({ value }: PivotCell, unit: string): string {
  if (value === null) return "";
  if (unit !== "pico") return value;
  const negative = value.startsWith("-");
  const digits = value.replace("-", "").padStart(13, "0");
  const fraction = digits.slice(-12).replace(/0+$/, "");
  return `${negative ? "-" : ""}${digits.slice(0, -12)}${fraction === "" ? "" : `.${fraction}`}`;
}

/** A cell that begins like a formula is text: no spreadsheet runs what a tag says. */
function quoted(cell: string): string {
  const safe = /^[=+@\t\r]|^-(?![0-9.]+$)/.test(cell) ? `'${cell}` : cell;
  return safe.replace(/[\t\r\n]/g, " ");
}
