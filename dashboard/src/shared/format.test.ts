import { expect, it } from "vitest";
import { formatBytes, formatCalls, formatCompact, formatDuration, formatMoment } from "./format";
import { indentJson } from "./json";

it("shows durations in the unit people would use", () => {
  expect([0, 875, 19_300, 1_340_000, 61_000_000, 125_000_000].map(formatDuration)).toEqual([
    "–",
    "875 µs",
    "19 ms",
    "1.34 s",
    "1 m 01 s",
    "2 m 05 s",
  ]);
});

it("shows counts and sizes", () => {
  expect(formatCalls(1)).toBe("1 call");
  expect(formatCalls(1200)).toBe("1,200 calls");
  expect(formatCompact(9_999)).toBe("9,999");
  expect(formatCompact(1_364_000)).toBe("1.36M");
  expect(formatBytes(1204)).toBe("1.2 KiB");
});

it("shows the day only where it is not today, in the zone", () => {
  const now = new Date("2026-11-20T15:00:00Z");
  expect(formatMoment("2026-11-20T14:59:59.5Z", "Europe/Berlin", now)).toBe("15:59:59");
  expect(formatMoment("2026-11-19T22:30:00Z", "Europe/Berlin", now)).toBe("19 Nov 23:30:00");
  expect(formatMoment("2026-11-19T23:30:00Z", "Europe/Berlin", now)).toBe("00:30:00");
});

it("indents JSON without touching its numbers or strings", () => {
  const written = '{"cost":0.00000123,"n":[9007199254740993,{}],"s":"a, {b}: \\"c\\""}';
  const indented = indentJson(written);
  expect(indented).toContain("0.00000123");
  expect(indented).toContain("9007199254740993");
  expect(indented).toContain('"a, {b}: \\"c\\""');
  expect(indented.split("\n").length).toBe(8);
});
