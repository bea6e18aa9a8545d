import { queryOptions } from "@tanstack/react-query";
import { allRows, type PageAsked } from "@/shared/api/all-rows";
import { get, send } from "@/shared/api/client";
import type { BudgetSimulation, BudgetState, Budgets, Stops } from "@/shared/api/types";
import type { BudgetSettings } from "./budget-form";

export const BUDGETS = "budgets";
export const BUDGET = "budget";
export const SIMULATION = "budget-simulation";
export const STOPS = "stops";

/** The figures are those that calls are let pass by. */
export const budgetsQuery = queryOptions({
  queryKey: [BUDGETS],
  queryFn: ({ signal }) => allRows((page: PageAsked) => get("budgets", page, signal), "budgets"),
  refetchInterval: 15_000,
});

/** One budget, with many values of `each`. */
export function budgetQuery(name: string) {
  return queryOptions({
    queryKey: [BUDGET, name],
    queryFn: ({ signal }) => get("budgets/{name}", { name }, signal),
    refetchInterval: 15_000,
  });
}

export function simulationQuery(name: string, tz: string) {
  return queryOptions({
    queryKey: [SIMULATION, name, tz],
    queryFn: ({ signal }) => get("budgets/{name}/simulation", { name, since: "30d", tz }, signal),
    staleTime: 300_000,
  });
}

export const stopsQuery = queryOptions({
  queryKey: [STOPS],
  queryFn: ({ signal }) => allRows((page: PageAsked) => get("stops", page, signal), "stops"),
  refetchInterval: 30_000,
});

export function setBudget(said: BudgetSettings): Promise<BudgetState> {
  return send("PUT", "budgets/{name}", said.definition, { name: said.name });
}

export function removeBudget(name: string): Promise<Budgets> {
  return send("DELETE", "budgets/{name}", undefined, { name });
}

/** What a budget would have done, before it is set. */
export function simulate(said: BudgetSettings, tz: string): Promise<BudgetSimulation> {
  return send(
    "POST",
    "budget-simulation",
    { ...said.definition, name: said.name || "new" },
    { since: "30d", tz },
  );
}

export function releaseCalls({ dimension, value }: Omit<Stop, "reason">): Promise<Stops> {
  return send("DELETE", "stops", undefined, { [dimension]: value });
}

export interface Stop {
  dimension: string;
  value: string;
  reason: string;
}
