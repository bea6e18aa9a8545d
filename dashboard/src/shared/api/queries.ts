/** The server's responses as queries, keyed by the request. */

import {
  type InfiniteData,
  infiniteQueryOptions,
  keepPreviousData,
  queryOptions,
} from "@tanstack/react-query";
import type { Dimension, Search } from "@/shared/search/search";
import { parametersOf, whereOf, zoneOf } from "@/shared/search/search";
import { get } from "./client";
import type { Reads } from "./routes";
import type { LiveMinutes } from "./types";

export const PAGE_SIZE = 100;
export type Bucket = "minute" | "hour" | "day";

/** Of a question whose error stands where its answer would: the page's notice leaves it out. */
export const SAYS_ITSELF = { saysItself: true };

/** Everything that new calls change, apart from the list of calls, which grows by itself. */
export const SPEND = "spend";

export const statusQuery = queryOptions({
  queryKey: ["status"],
  queryFn: ({ signal }) => get("status", {}, signal),
  refetchInterval: 10_000,
  staleTime: 1_000, // so that a change made in a terminal shows when the page is focused again
});

export function summaryQuery(search: Search) {
  const asked = parametersOf(search);
  return queryOptions({
    queryKey: [SPEND, "summary", asked],
    queryFn: ({ signal }) => get("summary", asked, signal),
    placeholderData: keepPreviousData,
  });
}

export function breakdownQuery(search: Search, by: Dimension, limit = 8) {
  const asked = { ...parametersOf(search), by, limit };
  return queryOptions({
    queryKey: [SPEND, "breakdown", asked],
    queryFn: ({ signal }) => get("breakdown", asked, signal),
    placeholderData: keepPreviousData,
  });
}

export function seriesAsked(search: Search, bucket: Bucket, by: Dimension) {
  return { ...parametersOf(search), bucket, by };
}

export function seriesQuery(search: Search, bucket: Bucket, by: Dimension) {
  const asked = seriesAsked(search, bucket, by);
  return queryOptions({
    queryKey: [SPEND, "series", asked],
    queryFn: ({ signal }) => get("series", asked, signal),
    placeholderData: keepPreviousData,
  });
}

/** What there is to filter by: values that contain a text, of one dimension or of every one. */
export function valuesQuery(search: Search, contains: string, by: Dimension | null) {
  const asked = {
    ...parametersOf(search),
    contains: contains || undefined,
    by: by ?? undefined,
    limit: by === null ? 8 : 50,
  };
  return queryOptions({
    queryKey: ["values", asked],
    queryFn: ({ signal }) => get("values", asked, signal),
    meta: SAYS_ITSELF,
  });
}

/** The tags that calls of the span have, whatever they are filtered by. */
export function tagsQuery(search: Search) {
  const { since, until, tz } = parametersOf(search);
  const asked = { since, until, tz, by: "tags", limit: 200 };
  return queryOptions({
    queryKey: ["values", asked],
    queryFn: ({ signal }) => get("values", asked, signal),
    staleTime: 60_000,
    meta: SAYS_ITSELF,
  });
}

type CallsPage = Reads["calls"]["response"];
/** Where a page begins: at a cursor, or after the last call of a page that was cut. */
export type PageParam = { cursor: string } | { before: number } | null;
export type CallPages = InfiniteData<CallsPage, PageParam>;

export function callsQuery(search: Search) {
  const asked = parametersOf(search);
  return infiniteQueryOptions({
    queryKey: ["calls", asked],
    queryFn: ({ pageParam, signal }) => get("calls", { ...asked, limit: PAGE_SIZE, ...pageParam }, signal),
    initialPageParam: null as PageParam,
    getNextPageParam: pageAfter,
    placeholderData: keepPreviousData,
  });
}

/** A list that new calls made too long was cut, and has no cursor: the next page is what is older than its end. */
function pageAfter(page: CallsPage): PageParam | undefined {
  if (page.next_cursor !== null) return { cursor: page.next_cursor };
  const last = page.calls.at(-1);
  return page.calls.length > PAGE_SIZE && last !== undefined ? { before: last.seq } : undefined;
}

export function receiptQuery(id: string) {
  return queryOptions({
    queryKey: ["receipt", id],
    queryFn: ({ signal }) => get("calls/{id}", { id }, signal),
    staleTime: Number.POSITIVE_INFINITY, // a row is never edited
    meta: SAYS_ITSELF,
  });
}

/** The last hour by the minute, whatever span is being looked at; live events keep it current. */
export function minutesQuery(search: Search) {
  const where = whereOf(search);
  const tz = zoneOf(search);
  return queryOptions({
    queryKey: ["minutes", where, tz],
    queryFn: async ({ signal }): Promise<LiveMinutes> => {
      const series = await get("series", { since: "61m", tz, bucket: "minute", ...where }, signal);
      return {
        starts_ms: series.starts_ms,
        cost_pico: series.total.cost_pico,
        calls: series.total.calls,
        unpriced_calls: series.unpriced_calls,
        last_seq: 0,
      };
    },
    staleTime: 60_000,
  });
}

/** The header's figures: pushed by live events, at first from the summary. */
export function nowKey(search: Search): readonly unknown[] {
  return ["now", whereOf(search), zoneOf(search)];
}
