/** The overview's own questions. */

import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { get } from "@/shared/api/client";
import { SPEND } from "@/shared/api/queries";
import { type Dimension, parametersOf, type Search, whereOf, zoneOf } from "@/shared/search/search";

export function moversQuery(search: Search, by: readonly Dimension[], limit: number) {
  const asked = { ...parametersOf(search), by: by.join(","), limit };
  return queryOptions({
    queryKey: [SPEND, "movers", asked],
    queryFn: ({ signal }) => get("movers", asked, signal),
    placeholderData: keepPreviousData,
  });
}

export function heatMapQuery(search: Search) {
  const asked = parametersOf(search);
  return queryOptions({
    queryKey: [SPEND, "heat-map", asked],
    queryFn: ({ signal }) => get("heat-map", asked, signal),
    placeholderData: keepPreviousData,
  });
}

/** Of the month that runs, whatever span is being looked at. */
export function projectionQuery(search: Search) {
  const asked = { tz: zoneOf(search), ...whereOf(search) };
  return queryOptions({
    queryKey: [SPEND, "projection", asked],
    queryFn: ({ signal }) => get("projection", asked, signal),
    placeholderData: keepPreviousData,
  });
}
