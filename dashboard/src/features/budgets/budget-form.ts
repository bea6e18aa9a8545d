/** A budget as a form holds it, and as the API takes it. */

import type { BudgetState } from "@/shared/api/types";
import { filtersText, readFilters } from "@/shared/filters-text";

export interface BudgetForm {
  name: string;
  limit: string;
  measure: string;
  period: string;
  timezone: string;
  where: string;
  each: string;
  exempt: string;
  mode: string;
  stream: string;
  unpriced: string;
  ceiling: string;
  wait: string;
  reserve: string;
}

export interface BudgetSettings {
  name: string;
  /** In the words of `farebox.yaml`. */
  definition: Record<string, unknown>;
}

export function newBudget(timezone: string): BudgetForm {
  return {
    name: "",
    limit: "",
    measure: "cost",
    period: "day",
    timezone,
    where: "",
    each: "",
    exempt: "",
    mode: "hard",
    stream: "cut",
    unpriced: "ceiling",
    ceiling: "",
    wait: "20s",
    reserve: "worst",
  };
}

export function formOf(budget: BudgetState): BudgetForm {
  return {
    name: budget.name,
    limit: budget.limit_usd,
    measure: budget.measure,
    period: budget.period,
    timezone: budget.timezone,
    where: filtersText(budget.where),
    each: budget.each ?? "",
    exempt: budget.exempt.join(", "),
    mode: budget.mode,
    stream: budget.stream,
    unpriced: budget.unpriced,
    ceiling: budget.ceiling_usd ?? "",
    wait: budget.wait,
    reserve: budget.reserve,
  };
}

export function settingsOf(form: BudgetForm): BudgetSettings {
  const given = (text: string): string | null => text.trim() || null;
  return {
    name: form.name.trim(),
    definition: {
      where: readFilters(form.where),
      each: given(form.each),
      exempt: form.exempt
        .split(",")
        .map((each) => each.trim())
        .filter(Boolean),
      limit: form.measure === "price" ? { price: form.limit.trim() } : form.limit.trim(),
      period: form.period.trim(),
      timezone: form.timezone.trim() || "UTC",
      mode: form.mode,
      stream: form.stream,
      unpriced: form.unpriced,
      ceiling: form.unpriced === "ceiling" ? given(form.ceiling) : null,
      wait: form.wait.trim() || "20s",
      reserve: form.reserve,
    },
  };
}
