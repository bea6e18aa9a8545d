/** Usage as stacks over time: the first groups, and the rest of everything. */

import type { PortalPoint, PortalSums, PortalUsage } from "./types";

export interface UsageStack {
  label: string;
  values: readonly number[];
}

export interface UsageSeries {
  starts: readonly string[];
  stacks: readonly UsageStack[];
}

/** All tokens, each once. */
export function tokensOf(sums: PortalSums): number {
  return sums.input_tokens + sums.cache_read_tokens + sums.cache_creation_tokens + sums.output_tokens;
}

export function seriesOf(usage: PortalUsage, measure: (sums: PortalSums) => number): UsageSeries {
  const starts = usage.points_of_all.map(({ start }) => start);
  const values = [...new Set(usage.points.map(({ value }) => value))];
  const ranked = usage.groups.map(({ value }) => value).filter((value) => values.includes(value));
  const stacks = ranked.map((value) => ({
    label: value ?? `No ${wordOf(usage.by)}`,
    values: valuesAt(
      starts,
      usage.points.filter((point) => point.value === value),
      measure,
    ),
  }));
  const all = valuesAt(starts, usage.points_of_all, measure);
  const rest = all.map((whole, at) => whole - stacks.reduce((sum, { values }) => sum + (values[at] ?? 0), 0));
  return {
    starts,
    stacks: rest.some((value) => value > 0) ? [...stacks, { label: "Others", values: rest }] : stacks,
  };
}

export function wordOf(by: string): string {
  return by === "session" ? "conversation" : by;
}

function valuesAt(
  starts: readonly string[],
  points: readonly PortalPoint[],
  measure: (sums: PortalSums) => number,
): number[] {
  const found = new Map(points.map(({ start, sums }) => [start, measure(sums)]));
  return starts.map((start) => found.get(start) ?? 0);
}
