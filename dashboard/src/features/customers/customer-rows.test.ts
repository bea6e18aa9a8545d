import { expect, it } from "vitest";
import type { Breakdown, BudgetState, Customers, MarginRow, Margins, Series } from "@/shared/api/types";
import { budgetsOf, customerRows, isLoss, points, unknownCustomers } from "./customer-rows";

const CUSTOMERS = {
  customers: [
    {
      id: "acme",
      name: "Acme Inc.",
      subscriptions: [
        { plan: "pro", state: "active" },
        { plan: "old", state: "ended" },
      ],
    },
    { id: "globex", name: "", subscriptions: [] },
  ],
} as unknown as Customers;

function margins(...rows: [string, string][]): Margins {
  return { rows: rows.map(([value, cost_usd]) => ({ value, cost_usd }) as MarginRow) } as Margins;
}

function budget(name: string, spent: string, more: Partial<BudgetState>): BudgetState {
  return {
    name,
    where: {},
    each: null,
    values: [],
    limit_pico: "1000",
    figures: { spent_pico: spent },
    ...more,
  } as BudgetState;
}

it("puts what is known of a customer side by side", () => {
  const trend = { lines: [{ key: "acme", cost_pico: ["1", "2"] }] } as unknown as Series;
  const budgets = [budget("acme-day", "400", { where: { customer: ["acme"] } })];
  const [acme, globex] = customerRows({
    customers: CUSTOMERS,
    now: margins(["acme", "12.50"]),
    before: margins(["globex", "3"]),
    trend,
    budgets,
  });
  expect(acme).toMatchObject({
    name: "Acme Inc.",
    plan: "pro",
    now: { cost_usd: "12.50" },
    trend: ["1", "2"],
  });
  expect(acme?.budget).toMatchObject({ name: "acme-day", spent: 400 });
  expect(acme?.before).toBeUndefined();
  expect(globex).toMatchObject({ name: "globex", plan: "", before: { cost_usd: "3" }, trend: [] });
  expect(globex?.now).toBeUndefined();
});

it("finds a customer's budgets, its own and those of each customer, what is used most first", () => {
  const values = [{ value: "acme", figures: { spent_pico: "900" } }] as BudgetState["values"];
  const found = budgetsOf("acme", [
    budget("mine", "100", { where: { customer: ["acme"], model: ["gpt-4o"] } }),
    budget("shared", "999", { where: { customer: ["acme", "globex"] } }),
    budget("each", "0", { each: "customer", figures: null, values }),
    budget("all", "999", {}),
  ]);
  expect(found.map(({ name, spent }) => [name, spent])).toEqual([
    ["each", 900],
    ["mine", 100],
  ]);
});

it("names customers that calls name and nobody has set up", () => {
  const stated = {
    groups: [
      { keys: { customer: "acme" }, sums: { calls: 5 } },
      { keys: { customer: "initech" }, sums: { calls: 3 } },
      { keys: { customer: null }, sums: { calls: 9 } },
    ],
  } as unknown as Breakdown;
  expect(unknownCustomers(CUSTOMERS, stated)).toEqual([["initech", 3]]);
});

it("draws a line through amounts beyond what a number holds", () => {
  expect(points(["0", "9007199254740993000", "18014398509481986000"], 60, 20)).toBe(
    "0.0,20.0 30.0,10.0 60.0,0.0",
  );
  expect(points(["0", "0"], 60, 20)).toBe("0.0,20.0 60.0,20.0");
});

it("knows a loss", () => {
  expect(["-0.000001", "0", "3", null].map(isLoss)).toEqual([true, false, false, false]);
});
