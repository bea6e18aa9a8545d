import { expect, it } from "vitest";
import type { BudgetState } from "@/shared/api/types";
import { formOf, newBudget, settingsOf } from "./budget-form";

const BUDGET = {
  name: "acme-daily",
  where: { customer: ["acme"], model: ["gpt-4o*", "o3"] },
  each: null,
  exempt: ["nightly", "ci"],
  limit_usd: "9007199254740993.000001",
  measure: "price",
  period: "rolling 24h",
  timezone: "Europe/Berlin",
  mode: "hard",
  stream: "cut",
  unpriced: "block",
  ceiling_usd: null,
  wait: "2m",
  reserve: "likely",
};

it("gives back every setting of a budget that is opened and saved, the limit to the last digit", () => {
  expect(settingsOf(formOf(BUDGET as unknown as BudgetState))).toEqual({
    name: "acme-daily",
    definition: {
      where: { customer: ["acme"], model: ["gpt-4o*", "o3"] },
      each: null,
      exempt: ["nightly", "ci"],
      limit: { price: "9007199254740993.000001" },
      period: "rolling 24h",
      timezone: "Europe/Berlin",
      mode: "hard",
      stream: "cut",
      unpriced: "block",
      ceiling: null,
      wait: "2m",
      reserve: "likely",
    },
  });
});

it("says a ceiling only where it counts", () => {
  const form = { ...newBudget("UTC"), limit: "5", ceiling: "0.50" };
  expect(settingsOf(form).definition.ceiling).toBe("0.50");
  expect(settingsOf({ ...form, unpriced: "allow" }).definition.ceiling).toBeNull();
});
