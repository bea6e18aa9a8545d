import { expect, it } from "vitest";
import { compareAmounts, formatAmount, groupDigits, picoOf } from "./amount";

it("shows dollars with their sign and other currencies with their name", () => {
  expect(formatAmount("1234567.50", "USD")).toBe("$1,234,567.50");
  expect(formatAmount("-0.10", "USD")).toBe("−$0.10");
  expect(formatAmount("1200", "JPY")).toBe("1,200 JPY");
  expect(formatAmount("-5.00", "EUR")).toBe("−5.00 EUR");
});

it("sets thousands apart in what is a decimal, and only there", () => {
  expect(["1262320", "-1234.5678", "0.1", "1000000/3", ""].map(groupDigits)).toEqual([
    "1,262,320",
    "-1,234.5678",
    "0.1",
    "1000000/3",
    "",
  ]);
});

it("keeps every digit on the way to pico", () => {
  expect(picoOf("9007199254740993.000000000001")).toBe("9007199254740993000000000001");
  expect(picoOf("-0.5")).toBe("-500000000000");
  expect(picoOf("20")).toBe("20000000000000");
});

it("orders amounts beyond what a number holds, unknown ones last", () => {
  const amounts = ["9007199254740993.01", null, "-1", "9007199254740993"];
  expect([...amounts].sort(compareAmounts)).toEqual(["-1", "9007199254740993", "9007199254740993.01", null]);
});
