import { expect, test } from "vitest";
import { formatExact } from "./exact-amount";

test("a decimal keeps every digit", () => {
  expect(formatExact("0.000012345678901234", "USD")).toBe("$0.000012345678901234");
  expect(formatExact("-1234.5", "EUR")).toBe("−1,234.5 EUR");
});

test("a fraction is shown rounded, and says so", () => {
  expect(formatExact("10/7", "USD")).toBe("≈ $1.428571428571");
  expect(formatExact("-2/3", "EUR")).toBe("≈ −0.666666666667 EUR");
});
