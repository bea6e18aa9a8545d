import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { get } from "@/shared/api/client";
import { SPEND } from "@/shared/api/queries";
import type { Reads } from "@/shared/api/routes";
import { parametersOf, type Search } from "@/shared/search/search";

export const SESSION = "session";

export function sessionsQuery(search: Search, sort: string, order: "asc" | "desc") {
  const asked = { ...parametersOf(search), sort: sort as Reads["sessions"]["query"]["sort"], order };
  return infiniteQueryOptions({
    queryKey: [SPEND, "sessions", asked],
    queryFn: ({ pageParam, signal }) => get("sessions", { ...asked, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });
}

/** One session, all of it, whatever the span. */
export function sessionQuery(session: string) {
  return queryOptions({
    queryKey: [SPEND, SESSION, session],
    queryFn: ({ signal }) => get("sessions/of", { session }, signal),
    placeholderData: keepPreviousData,
  });
}
