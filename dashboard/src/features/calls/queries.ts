/** Lists of calls in an order. */

import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { get } from "@/shared/api/client";
import { callsQuery, PAGE_SIZE, SPEND } from "@/shared/api/queries";
import type { Calls } from "@/shared/api/types";
import { parametersOf, type Search } from "@/shared/search/search";
import type { CallOrder } from "./order";

export function costliestQuery(search: Search, limit: number) {
  const asked = { ...parametersOf(search), order: "cost", limit };
  return queryOptions({
    queryKey: [SPEND, "costliest", asked],
    queryFn: ({ signal }) => get<Calls>("calls", asked, signal),
    placeholderData: keepPreviousData,
  });
}

/** The calls page by page: newest first they grow by themselves, in any other order they stand still. */
export function listQuery(search: Search, order: CallOrder | undefined) {
  if (order === undefined) return callsQuery(search);
  const asked = { ...parametersOf(search), order: order.name, direction: order.ascending ? "asc" : "desc" };
  return infiniteQueryOptions({
    queryKey: ["calls", asked],
    queryFn: ({ pageParam, signal }) =>
      get<Calls>("calls", { ...asked, limit: PAGE_SIZE, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });
}
