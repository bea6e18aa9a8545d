import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { get } from "@/shared/api/client";
import { SPEND } from "@/shared/api/queries";
import type { Quality, Reliability, ServiceSeries } from "@/shared/api/types";
import { type Dimension, parametersOf, type Search } from "@/shared/search/search";

export function reliabilityQuery(search: Search, by: Dimension) {
  const asked = { ...parametersOf(search), by };
  return queryOptions({
    queryKey: [SPEND, "reliability", asked],
    queryFn: ({ signal }) => get<Reliability>("reliability", asked, signal),
    placeholderData: keepPreviousData,
  });
}

export function serviceSeriesQuery(search: Search, bucket: string) {
  const asked = { ...parametersOf(search), bucket };
  return queryOptions({
    queryKey: [SPEND, "reliability-series", asked],
    queryFn: ({ signal }) => get<ServiceSeries>("reliability/series", asked, signal),
    placeholderData: keepPreviousData,
  });
}

export function qualityQuery(search: Search, good: string) {
  const asked = { ...parametersOf(search), good };
  return queryOptions({
    queryKey: [SPEND, "quality", asked],
    queryFn: ({ signal }) => get<Quality>("quality", asked, signal),
    placeholderData: keepPreviousData,
  });
}
