import { expect, it } from "vitest";
import { compareCosts, exactMeasure, formatMeasure, titleOf } from "./measures";

it("shows a measure in its unit, and every digit of it on demand", () => {
  const shown = (value: string | null, unit: string): [string, string] => [
    formatMeasure(value, unit),
    exactMeasure(value, unit),
  ];
  expect(shown("1234567890123", "pico")).toEqual(["$1.23", "$1.234567890123"]);
  expect(shown("1850000", "us")).toEqual(["1.85 s", "1,850,000 µs"]);
  expect(shown("12", "permille")).toEqual(["1.2 %", "1.2 %"]);
  expect(shown("2718", "per_minute")).toEqual(["45.3/s", "2,718 a minute"]);
  expect(shown("12345", "count")).toEqual(["12,345", "12,345"]);
  expect(shown(null, "us")[0]).toBe("–");
});

it("keeps every digit of an amount beyond what a number can hold", () => {
  expect(exactMeasure("9007199254740993000000000001", "pico")).toBe("$9,007,199,254,740,993.000000000001");
});

it("names what it does not know by its own name", () => {
  expect(titleOf("cost_pico")).toBe("Cost");
  expect(titleOf("nothing")).toBe("nothing");
});

it("orders amounts that differ beyond what a number can hold", () => {
  const amounts = ["9007199254740993", null, "9007199254740992", "0"];
  expect([...amounts].sort(compareCosts)).toEqual([null, "0", "9007199254740992", "9007199254740993"]);
});
