import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { Pivot } from "@/shared/api/types";
import { pivotText } from "./pivot-text";

const snapshot = (name: string): Pivot =>
  JSON.parse(readFileSync(`../tests/snapshots/api/${name}.json`, "utf8")) as Pivot;

it("has every line with its figures to the last digit, and the total", () => {
  const pivot = snapshot("pivot");
  const lines = pivotText(pivot).trimEnd().split("\r\n");
  expect(lines.length).toBe(pivot.lines.length + 2);
  expect(lines[0]?.startsWith("app\tall\t")).toBe(true);
  const dollars = (line: string | undefined): string => line?.split("\t")[1] ?? "";
  const pico = (text: string): bigint => {
    const [whole = "0", fraction = ""] = text.split(".");
    return BigInt(whole + fraction.padEnd(12, "0"));
  };
  expect(String(pico(dollars(lines.at(-1))))).toBe(pivot.total.value);
  expect(pivot.lines.map((line) => String(pico(dollars(lines[pivot.lines.indexOf(line) + 1]))))).toEqual(
    pivot.lines.map((line) => line.total.value),
  );
});

it("names everything else, and what has no value", () => {
  const text = pivotText(snapshot("pivot_rest"));
  expect(text).toContain("everything else");
  expect(pivotText(snapshot("pivot"))).toContain("none\t");
});

it("lets no spreadsheet run what somebody wrote into a tag", () => {
  const cell = { value: "-5", at_least: false, calls: 1, unpriced_calls: 0 };
  const pivot: Pivot = {
    ...snapshot("pivot"),
    rows: ["tag.feature"],
    columns: [],
    column_keys: [],
    unit: "count",
    lines: [{ keys: ['=HYPERLINK("x")'], is_rest: false, cells: [], total: cell }],
    totals: [],
    rest_columns: 0,
  };
  expect(pivotText(pivot)).toContain(`'=HYPERLINK("x")\t-5`);
});
