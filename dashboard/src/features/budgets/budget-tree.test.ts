import { expect, it } from "vitest";
import type { BudgetState } from "@/shared/api/types";
import { branches } from "./budget-tree";

function budget(name: string, where: Record<string, string[]> = {}, measure = "cost"): BudgetState {
  return { name, where, measure } as BudgetState;
}

function drawn(...budgets: BudgetState[]): string[] {
  return branches(budgets).map(({ budget: { name }, depth }) => "  ".repeat(depth) + name);
}

it("puts a budget below the narrowest one that has all its calls", () => {
  expect(
    drawn(
      budget("acme-gpt", { customer: ["acme"], model: ["gpt-4o"] }),
      budget("other", { customer: ["other"] }),
      budget("everything"),
      budget("acme", { customer: ["acme"] }),
      budget("both", { customer: ["acme", "other"] }),
      budget("mini", { model: ["gpt-4o-mini"] }),
      budget("gpt", { model: ["gpt-4o*"] }),
    ),
  ).toEqual(["everything", "  both", "    acme", "      acme-gpt", "    other", "  gpt", "    mini"]);
});

it("leaves budgets of the same calls, and of another measure, side by side", () => {
  expect(drawn(budget("day"), budget("month"), budget("price", { app: ["x"] }, "price"))).toEqual([
    "day",
    "month",
    "price",
  ]);
});
