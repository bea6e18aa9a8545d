import { expect, it } from "vitest";
import type { PriceRowView } from "@/shared/api/types";
import { ageOf, conditionsOf, priceOf, sourceOf } from "./price-words";

const row: PriceRowView = {
  unit: "input_uncached",
  unit_price_usd: "0.0000025",
  per_million_usd: "2.5",
  price_id: "openai/gpt-4o/2024-10-01#input",
  price_source: "user",
  source: "prices.d/set.yaml:3",
  checked: "2026-11-01",
  effective_from: "2024-10-01",
  when: {},
  above_input_tokens: null,
  in_force: true,
};

it("writes a price as people compare it", () => {
  expect(priceOf(row)).toBe("$2.5 a million");
  expect(priceOf({ ...row, unit_price_usd: "0.01", per_million_usd: "10000" })).toBe("$0.01 each");
  expect(priceOf({ ...row, unit_price_usd: "0", per_million_usd: "0" })).toBe("$0 each");
});

it("says where it is from and for which calls it holds", () => {
  expect(sourceOf(row)).toBe("your own price");
  expect(sourceOf({ ...row, price_source: "else" })).toBe("else");
  expect(conditionsOf(row)).toBe("");
  expect(conditionsOf({ ...row, when: { service_tier: "flex" }, above_input_tokens: 200_000 })).toBe(
    "service tier flex, over 200,000 input tokens",
  );
});

it("counts the days since a figure was checked", () => {
  expect(ageOf(row, new Date("2026-11-20T00:00:00Z"))).toBe(19);
  expect(ageOf({ ...row, checked: "" }, new Date())).toBeNull();
});
