/** Who looks at the page: an owner may change things, a reader sees no button that would be refused. */

import { queryOptions, useQuery } from "@tanstack/react-query";
import { get } from "./client";

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: ({ signal }) => get("session", {}, signal),
  staleTime: 60_000,
});

/** Whether whoever looks may change things. False until it is known. */
export function useMayChange(): boolean {
  return useQuery(sessionQuery).data?.role === "admin";
}
