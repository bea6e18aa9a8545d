import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { get } from "@/shared/api/client";
import { SPEND } from "@/shared/api/queries";
import type { Reads } from "@/shared/api/routes";
import { type Dimension, parametersOf, type Search } from "@/shared/search/search";

/** As many values as are asked for at most. */
export const VALUES_MAX = 100;

export function reliabilityAsked(search: Search, by: Dimension) {
  return { ...parametersOf(search), by };
}

/** `limit` says how many values stand for themselves; a few where it is left out. */
export function reliabilityQuery(search: Search, by: Dimension, limit: number | undefined) {
  const asked = { ...reliabilityAsked(search, by), limit };
  return queryOptions({
    queryKey: [SPEND, "reliability", asked],
    queryFn: ({ signal }) => get("reliability", asked, signal),
    placeholderData: keepPreviousData,
  });
}

export function serviceSeriesAsked(search: Search, bucket: string) {
  return { ...parametersOf(search), bucket: bucket as Reads["reliability/series"]["query"]["bucket"] };
}

export function serviceSeriesQuery(search: Search, bucket: string) {
  const asked = serviceSeriesAsked(search, bucket);
  return queryOptions({
    queryKey: [SPEND, "reliability-series", asked],
    queryFn: ({ signal }) => get("reliability/series", asked, signal),
    placeholderData: keepPreviousData,
  });
}

export function qualityQuery(search: Search, good: string) {
  const asked = { ...parametersOf(search), good };
  return queryOptions({
    queryKey: [SPEND, "quality", asked],
    queryFn: ({ signal }) => get("quality", asked, signal),
    placeholderData: keepPreviousData,
  });
}
