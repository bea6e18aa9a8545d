/** What a budget does, in sentences. */

import type { BudgetSimulation, BudgetState } from "@/shared/api/types";
import { formatCalls, formatCount } from "@/shared/format";
import { formatMoney } from "@/shared/money";
import { labelOf } from "@/shared/search/search";

/** Which calls it is for: `customer acme, model gpt-4o*`. */
export function whoseWords(where: Readonly<Record<string, readonly string[]>>): string {
  const parts = Object.entries(where).map(
    ([name, values]) => `${titleOf(name)} ${values.map((value) => value || "none").join(" or ")}`,
  );
  return parts.length === 0 ? "all calls" : parts.join(", ");
}

/** A dimension as it stands in a sentence. */
export function titleOf(name: string): string {
  if (name === "process") return "process";
  const label = labelOf(name as Parameters<typeof labelOf>[0]) ?? name;
  return label.replace(/^[A-Z](?![A-Z])/, (first) => first.toLowerCase());
}

export function periodWords(period: string): string {
  if (period === "ever") return "in all";
  if (period === "session") return "a session";
  return period.startsWith("rolling") ? `in ${period.replace("rolling ", "any ")}` : `a ${period}`;
}

/** What happens at the limit, a sentence each. */
export function policyWords(budget: BudgetState): string[] {
  if (budget.mode === "soft") return ["It warns and counts. Nothing is refused."];
  const said = [
    budget.wait === "0s"
      ? "A call that does not fit is refused at once."
      : `A call that does not fit waits for others to end, for ${budget.wait} at most, and is refused then.`,
    budget.stream === "cut"
      ? "A stream that would pass the limit is cut with an error its client understands."
      : "A stream that has begun may finish.",
    {
      block: "Calls that nothing bounds, as of a model without a price, are refused.",
      allow: "Calls that nothing bounds, as of a model without a price, pass.",
    }[budget.unpriced] ??
      (budget.ceiling_usd === null
        ? "A call without a price counts as the most expensive one known of its provider."
        : `A call without a price counts as $${budget.ceiling_usd} while it runs.`),
  ];
  if (budget.reserve === "likely")
    said.push("What a call usually costs is set aside, not the most it can cost.");
  return said;
}

/** What a simulation has found: `would have blocked 14 of 1,204 calls and saved $61.00`. */
export function simulationWords(found: BudgetSimulation): string {
  if (found.calls === 0) return "No call of the last 30 days is one that it is for.";
  if (found.blocked_calls === 0) {
    return `It would have blocked none of the ${formatCalls(found.calls)} of the last 30 days.`;
  }
  const of = found.calls === found.blocked_calls ? "all" : formatCount(found.blocked_calls);
  return `In the last 30 days it would have blocked ${of} of ${formatCalls(found.calls)}, and saved ${formatMoney(found.saved_pico)} of ${formatMoney(found.spent_pico)}.`;
}

/** How long until a moment: `in 9 h 12 m`. */
export function inWords(iso: string, now: Date): string {
  const minutes = Math.max(0, Math.ceil((new Date(iso).getTime() - now.getTime()) / 60_000));
  if (minutes < 60) return `in ${minutes} m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `in ${hours} h ${String(minutes % 60).padStart(2, "0")} m`;
  return `in ${Math.floor(hours / 24)} days`;
}
