/** What is known of each customer, side by side: margins, the days before, the budget that is used most. */

import { picoOf } from "@/shared/amount";
import type {
  Breakdown,
  BudgetFigures,
  BudgetState,
  Customers,
  MarginRow,
  Margins,
  Series,
} from "@/shared/api/types";
import { permille } from "@/shared/money";

export interface UsedBudget {
  name: string;
  /** In thousandths of the limit. */
  spent: number;
  figures: BudgetFigures;
  limit_pico: string;
}

export interface CustomerRow {
  id: string;
  name: string;
  plan: string;
  now: MarginRow | undefined;
  before: MarginRow | undefined;
  /** Cost a day, the oldest first; none where the customer is not among the largest. */
  trend: readonly string[];
  budget: UsedBudget | undefined;
}

interface Found {
  customers: Customers;
  now: Margins;
  before: Margins | undefined;
  trend: Series | undefined;
  budgets: readonly BudgetState[];
}

export function customerRows({ customers, now, before, trend, budgets }: Found): CustomerRow[] {
  return customers.customers.map(({ id, name, subscriptions }) => ({
    id,
    name: name || id,
    plan: subscriptions
      .filter(({ state }) => state === "active")
      .map(({ plan }) => plan)
      .join(", "),
    now: now.rows.find(({ value }) => value === id),
    before: before?.rows.find(({ value }) => value === id),
    trend: trend?.lines.find(({ key }) => key === id)?.cost_pico ?? [],
    budget: mostUsed(id, budgets),
  }));
}

/** The budgets of a customer's calls, what is used most first. */
export function budgetsOf(customer: string, budgets: readonly BudgetState[]): UsedBudget[] {
  const found = budgets.flatMap(({ name, where, each, figures, values, limit_pico }): UsedBudget[] => {
    const own = where.customer?.length === 1 && where.customer[0] === customer;
    const said = own
      ? figures
      : each === "customer"
        ? values.find(({ value }) => value === customer)?.figures
        : null;
    return said ? [{ name, figures: said, limit_pico, spent: permille(said.spent_pico, limit_pico) }] : [];
  });
  return found.sort((a, b) => b.spent - a.spent);
}

function mostUsed(customer: string, budgets: readonly BudgetState[]): UsedBudget | undefined {
  return budgetsOf(customer, budgets)[0];
}

/** Customers that calls name and nobody has set up, with how many calls: nothing bills them. */
export function unknownCustomers(customers: Customers, stated: Breakdown): [string, number][] {
  const known = new Set(customers.customers.map(({ id }) => id));
  return stated.groups.flatMap(({ keys, sums }): [string, number][] => {
    const name = keys.customer ?? "";
    return name === "" || known.has(name) ? [] : [[name, sums.calls]];
  });
}

/** The points of a line through amounts, in a box of `width` × `height`. */
export function points(amounts: readonly string[], width: number, height: number): string {
  const top = amounts.reduce((most, each) => (BigInt(each) > most ? BigInt(each) : most), 0n);
  return amounts
    .map((each, index) => {
      const x = amounts.length < 2 ? 0 : (index * width) / (amounts.length - 1);
      const y = height - (permille(each, String(top)) * height) / 1000;
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join(" ");
}

/** Whether a margin is below zero. */
export function isLoss(margin: string | null): boolean {
  return margin !== null && BigInt(picoOf(margin)) < 0n;
}
