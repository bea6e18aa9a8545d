/** Lists of calls in an order. */

import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { get } from "@/shared/api/client";
import { callsQuery, PAGE_SIZE, type PageParam, SPEND } from "@/shared/api/queries";
import { parametersOf, type Search } from "@/shared/search/search";
import type { CallOrder } from "./order";

export function costliestQuery(search: Search, limit: number) {
  const asked = { ...parametersOf(search), order: "cost", limit } as const;
  return queryOptions({
    queryKey: [SPEND, "costliest", asked],
    queryFn: ({ signal }) => get("calls", asked, signal),
    placeholderData: keepPreviousData,
  });
}

/** The calls page by page: newest first they grow by themselves, in any other order they stand still. */
export function listQuery(search: Search, order: CallOrder | undefined) {
  if (order === undefined) return callsQuery(search);
  const direction = order.ascending ? "asc" : "desc";
  const asked = { ...parametersOf(search), order: order.name, direction } as const;
  return infiniteQueryOptions({
    queryKey: ["calls", asked],
    queryFn: ({ pageParam, signal }) => get("calls", { ...asked, limit: PAGE_SIZE, ...pageParam }, signal),
    initialPageParam: null as PageParam,
    getNextPageParam: (page) => (page.next_cursor === null ? undefined : { cursor: page.next_cursor }),
    placeholderData: keepPreviousData,
  });
}
