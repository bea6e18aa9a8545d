/** Show a measure in its unit. */

import { formatCount, formatDuration } from "./format";
import { exactMoney, formatMoney } from "./money";
import { MEASURES } from "./search/dimensions";

export type Unit = (typeof MEASURES)[number]["unit"];

export function titleOf(measure: string): string {
  return MEASURES.find(({ name }) => name === measure)?.title ?? measure;
}

/** A whole number in its unit, short to read; a dash where there is no call to find it among. */
export function formatMeasure(value: string | null, unit: string): string {
  if (value === null) return "–";
  if (unit === "pico") return formatMoney(value);
  if (unit === "us") return formatDuration(Number(value));
  if (unit === "permille") return formatPermille(Number(value));
  if (unit === "per_minute") return formatPerSecond(Number(value));
  return formatCount(Number(value));
}

/** Every digit of it, with its unit. */
export function exactMeasure(value: string | null, unit: string): string {
  if (value === null) return "No call to find it among";
  if (unit === "pico") return exactMoney(value);
  if (unit === "us") return `${formatCount(Number(value))} µs`;
  if (unit === "permille") return formatPermille(Number(value));
  if (unit === "per_minute") return `${formatCount(Number(value))} a minute`;
  return formatCount(Number(value));
}

/** `1.2 %` of 12 in a thousand. */
export function formatPermille(permille: number): string {
  return `${(permille / 10).toFixed(1)} %`;
}

/** `45.3/s`: what there is a minute, by the second. */
export function formatPerSecond(perMinute: number): string {
  const each = perMinute / 60;
  return `${each < 100 ? each.toFixed(1) : formatCount(Math.round(each))}/s`;
}

/** Order two amounts; an unknown one comes before all others. */
export function compareCosts(a: string | null, b: string | null): number {
  const difference = BigInt(a ?? "-1") - BigInt(b ?? "-1");
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
