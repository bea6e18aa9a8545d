import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { get } from "@/shared/api/client";
import { SPEND } from "@/shared/api/queries";
import { type Search, whereOf, zoneOf } from "@/shared/search/search";

/** What is being spent now. New calls ask for it again; calls that begin or go on are no rows yet. */
export function activityQuery(search: Search) {
  const asked = { tz: zoneOf(search), ...whereOf(search) };
  return queryOptions({
    queryKey: [SPEND, "activity", asked],
    queryFn: ({ signal }) => get("activity", asked, signal),
    refetchInterval: 2_000,
    placeholderData: keepPreviousData,
  });
}
