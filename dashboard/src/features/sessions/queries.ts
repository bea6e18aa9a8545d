import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { get } from "@/shared/api/client";
import { SPEND } from "@/shared/api/queries";
import type { SessionDetail, Sessions } from "@/shared/api/types";
import { parametersOf, type Search } from "@/shared/search/search";

export const SESSION = "session";

export function sessionsQuery(search: Search, sort: string, order: "asc" | "desc") {
  const asked = { ...parametersOf(search), sort, order };
  return infiniteQueryOptions({
    queryKey: [SPEND, "sessions", asked],
    queryFn: ({ pageParam, signal }) => get<Sessions>("sessions", { ...asked, page: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_page ?? undefined,
    placeholderData: keepPreviousData,
  });
}

/** One session, all of it, whatever the span. */
export function sessionQuery(session: string) {
  return queryOptions({
    queryKey: [SPEND, SESSION, session],
    queryFn: ({ signal }) => get<SessionDetail>("sessions/of", { session }, signal),
    placeholderData: keepPreviousData,
  });
}
