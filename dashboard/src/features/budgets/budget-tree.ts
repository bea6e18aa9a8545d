/** Budgets as a tree: one for some of another's calls stands below it. */

import type { BudgetState } from "@/shared/api/types";

export interface Branch {
  budget: BudgetState;
  depth: number;
}

/** Return budgets in the order of the tree, each with how deep it stands. */
export function branches(budgets: readonly BudgetState[]): Branch[] {
  const parents = new Map(budgets.map((each) => [each.name, parentOf(each, budgets)]));
  const below = (parent: string | undefined, depth: number): Branch[] =>
    budgets
      .filter(({ name }) => parents.get(name) === parent)
      .sort((a, b) => a.name.localeCompare(b.name))
      .flatMap((budget) => [{ budget, depth }, ...below(budget.name, depth + 1)]);
  return below(undefined, 0);
}

/** The narrowest budget that has all calls of this one, and others beside them. */
function parentOf(budget: BudgetState, budgets: readonly BudgetState[]): string | undefined {
  const wider = budgets.filter((each) => isWithin(budget, each) && !isWithin(each, budget));
  wider.sort((a, b) => widthOf(b) - widthOf(a) || a.name.localeCompare(b.name));
  return wider[0]?.name;
}

function widthOf({ where }: BudgetState): number {
  return Object.keys(where).length;
}

/** Whether every call of one budget is one of the other, as far as their filters say. */
function isWithin(inner: BudgetState, outer: BudgetState): boolean {
  if (inner.measure !== outer.measure) return false;
  return Object.entries(outer.where).every(([name, values]) => {
    const own = inner.where[name];
    return (
      own !== undefined && own.length > 0 && own.every((value) => values.some((each) => covers(each, value)))
    );
  });
}

function covers(pattern: string, value: string): boolean {
  if (pattern === value) return true;
  if (!pattern.includes("*")) return false;
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(value);
}
