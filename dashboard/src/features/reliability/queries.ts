import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { get } from "@/shared/api/client";
import { SPEND } from "@/shared/api/queries";
import type { Reads } from "@/shared/api/routes";
import { type Dimension, parametersOf, type Search } from "@/shared/search/search";

export function reliabilityAsked(search: Search, by: Dimension) {
  return { ...parametersOf(search), by };
}

export function reliabilityQuery(search: Search, by: Dimension) {
  const asked = reliabilityAsked(search, by);
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
