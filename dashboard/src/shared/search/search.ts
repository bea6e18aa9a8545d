/**
 * The span, filters and open call, as in the page's address. The names are those of the command
 * line's flags and of the API's parameters.
 */

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

export interface Preset {
  id: string;
  label: string;
  title: string;
  since: string;
  until?: string;
  bucket: "minute" | "hour" | "day";
}

export const PRESETS: readonly Preset[] = [
  { id: "15m", label: "15m", title: "Last 15 minutes", since: "15m", bucket: "minute" },
  { id: "1h", label: "1h", title: "Last hour", since: "1h", bucket: "minute" },
  { id: "today", label: "Today", title: "Today", since: "today", bucket: "hour" },
  { id: "7d", label: "7d", title: "Last 7 days", since: "7d", bucket: "hour" },
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

const CLOSED: readonly Dimension[] = ["cost_state", "outcome", "completeness", "streamed"];
const STATUSES = /^(0|[1-5][0-9]{2}|[1-5]xx)(,(0|[1-5][0-9]{2}|[1-5]xx))*$/;

/** Whether a filter may be typed without having been seen: states and outcomes are closed lists. */
export function canBeTyped(dimension: Dimension, filter: string): boolean {
  if (CLOSED.includes(dimension)) return false;
  return filter !== "" && (dimension !== "status" || STATUSES.test(filter));
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
export function parametersOf(search: Search): Record<string, string | string[] | undefined> {
  return {
    since: search.since ?? DEFAULT_SINCE,
    until: search.until,
    tz: zoneOf(search),
    ...whereOf(search),
  };
}
