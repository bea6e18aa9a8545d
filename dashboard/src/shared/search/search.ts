/**
 * The span, filters and open call, as in the page's address. The names are those of the command
 * line's flags and of the API's parameters.
 */

import type { CallFilters } from "@/shared/api/routes";
import { DIMENSION_LABELS, DIMENSIONS } from "./dimensions";

export { DIMENSIONS };

/** A declared dimension, or any tag: `tag.feature`. */
export type Dimension = (typeof DIMENSIONS)[number] | `tag.${string}`;

export interface Search extends Partial<Record<Dimension, string>> {
  since?: string;
  until?: string;
  tz?: string;
  /** The call whose receipt is open. */
  call?: string;
}

export type Bucket = "minute" | "hour" | "day";

export interface Preset {
  id: string;
  label: string;
  title: string;
  since: string;
  until?: string;
  bucket: Bucket;
}

export const PRESETS: readonly Preset[] = [
  { id: "15m", label: "15m", title: "Last 15 minutes", since: "15m", bucket: "minute" },
  { id: "1h", label: "1h", title: "Last hour", since: "1h", bucket: "minute" },
  { id: "today", label: "Today", title: "Today", since: "today", bucket: "hour" },
  { id: "7d", label: "7d", title: "Last 7 days", since: "7d", bucket: "day" },
  { id: "30d", label: "30d", title: "Last 30 days", since: "30d", bucket: "day" },
  { id: "month", label: "Month", title: "This month", since: "month", bucket: "day" },
  {
    id: "prev-month",
    label: "Prev",
    title: "Previous month",
    since: "prev-month",
    until: "month",
    bucket: "day",
  },
];

export const DEFAULT_SINCE = "today";

/** Keep what the page knows of an address, drop the rest. */
export function readSearch(raw: Record<string, unknown>): Search {
  const search: Search = {};
  for (const name of ["since", "until", "tz", "call", ...DIMENSIONS] as const) {
    const value = raw[name];
    if (typeof value === "string" && value !== "") search[name] = value;
    else if (name !== "since" && value === "" && isDimension(name)) search[name] = "";
  }
  for (const [name, value] of Object.entries(raw)) {
    if (isTag(name) && typeof value === "string") search[name] = value;
  }
  return search;
}

export function isDimension(name: string): name is Dimension {
  return (DIMENSIONS as readonly string[]).includes(name) || isTag(name);
}

export function isTag(name: string): name is `tag.${string}` {
  return name.startsWith("tag.") && name.length > "tag.".length;
}

export function labelOf(name: Dimension): string {
  return isTag(name) ? `Tag ${name.slice("tag.".length)}` : DIMENSION_LABELS[name];
}

/** The dimensions that are filtered by, in the order they are declared, tags last. */
export function filteredBy(search: Search): Dimension[] {
  const tags = Object.keys(search).filter(isTag);
  return [...DIMENSIONS, ...tags].filter((name) => search[name] !== undefined);
}

export function presetOf(search: Search): Preset | undefined {
  const since = search.since ?? DEFAULT_SINCE;
  return PRESETS.find((preset) => preset.since === since && preset.until === search.until);
}

/** Write one value as a filter: a comma separates two values, so a comma inside a value is escaped. */
export function oneValue(value: string): string {
  return value.replaceAll(",", "\\,");
}

/** The values that a filter names. */
export function valuesOf(filter: string): string[] {
  return filter.split(/(?<!\\),/).map((value) => value.replaceAll("\\,", ","));
}

const CLOSED: readonly Dimension[] = ["cost_state", "outcome", "completeness", "streamed", "retry"];
const STATUSES = /^(0|[1-5][0-9]{2}|[1-5]xx)(,(0|[1-5][0-9]{2}|[1-5]xx))*$/;

/** Whether a filter may be typed without having been seen: states and outcomes are closed lists. */
export function canBeTyped(dimension: Dimension, filter: string): boolean {
  if (CLOSED.includes(dimension)) return false;
  return filter !== "" && (dimension !== "status" || STATUSES.test(filter));
}

/** The span, the zone and the filters: what another screen is asked with, too. */
export function carried(search: Search): Record<string, string> {
  const names = ["since", "until", "tz", ...filteredBy(search)] as const;
  return Object.fromEntries(
    names.flatMap((name) => (search[name] === undefined ? [] : [[name, search[name]]])),
  );
}

const MINUTES: Record<string, number> = { m: 1, h: 60, d: 1440, w: 10_080 };

/** The buckets that a chart of the span is made of: minutes of some hours, hours of two days, else days. */
export function bucketOf(search: Search, now: Date = new Date()): Bucket {
  const preset = presetOf(search);
  if (preset !== undefined) return preset.bucket;
  const [since = DEFAULT_SINCE, until] = [search.since, search.until];
  if (since === "today" || since === "yesterday") return "hour";
  const age = /^(\d+)([mhdw])$/.exec(since);
  const end = until === undefined || until === "now" ? now.getTime() : Date.parse(until);
  const length = age ? Number(age[1]) * (MINUTES[age[2] ?? ""] ?? 1) : (end - Date.parse(since)) / 60_000;
  if (length <= 180) return "minute";
  return length <= 2 * 1440 ? "hour" : "day"; // a word such as "week" is no number, and days fit it
}

/** Whether the span ends now, so that new calls belong to it. */
export function isOpenEnded(search: Search): boolean {
  return search.until === undefined || search.until === "now";
}

export function zoneOf(search: Search): string {
  return search.tz ?? Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";
}

/** The dimension filters alone: to the API every value is a parameter of its own. */
export function whereOf(search: Search): Partial<Record<Dimension, string[]>> {
  const where: Partial<Record<Dimension, string[]>> = {};
  for (const name of filteredBy(search)) where[name] = valuesOf(search[name] as string);
  return where;
}

/** The API's parameters for the span and the filters. */
export function parametersOf(search: Search): CallFilters {
  return {
    since: search.since ?? DEFAULT_SINCE,
    until: search.until,
    tz: zoneOf(search),
    ...whereOf(search),
  };
}
