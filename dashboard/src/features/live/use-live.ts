/**
 * Keep the page current by the server's events: new calls, changed minutes, the header's
 * figures. The events carry whole values, so one that is missed is mended by the next.
 */

import { type InfiniteData, type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { address } from "@/shared/api/client";
import { callsQuery, minutesQuery, nowKey, SPEND, statusQuery } from "@/shared/api/queries";
import type { CallBrief, Calls, Hello, LiveCalls, LiveMinutes, Now } from "@/shared/api/types";
import { isOpenEnded, type Search, whereOf, zoneOf } from "@/shared/search/search";

export type LiveState = "connecting" | "live" | "lost";

const MINUTES_KEPT = 61;
const ROWS_KEPT = 2_000;

export interface Live {
  state: LiveState;
  /** Calls that arrived while the list was held still. */
  waiting: number;
  release: () => void;
}

export function useLive(search: Search, held: boolean): Live {
  const client = useQueryClient();
  const [state, setState] = useState<LiveState>("connecting");
  const [waiting, setWaiting] = useState(0);
  const holding = useRef(held);
  const queue = useRef<CallBrief[]>([]);
  const query = useMemo(() => ({ tz: zoneOf(search), ...whereOf(search) }), [search]);
  const source = address("live", query);
  const latest = useRef(search);
  latest.current = search;

  const release = useMemo(
    () => () => {
      addCalls(client, latest.current, queue.current);
      queue.current = [];
      setWaiting(0);
    },
    [client],
  );

  useEffect(() => {
    holding.current = held;
    if (!held) release();
  }, [held, release]);

  useEffect(() => {
    const events = new EventSource(source);
    let newest = 0; // the newest call that the reports have not been asked about
    const on = <T>(name: string, act: (data: T) => void): void => {
      events.addEventListener(name, (event) => act(JSON.parse((event as MessageEvent<string>).data) as T));
    };
    events.onopen = () => setState("live");
    events.onerror = () => setState("lost");
    on<Hello>("hello", ({ last_seq }) => {
      const { queryKey } = callsQuery(latest.current);
      const listed = client.getQueryData<InfiniteData<Calls, number | undefined>>(queryKey)?.pages[0];
      if (listed !== undefined && listed.last_seq < last_seq) void client.invalidateQueries({ queryKey });
    });
    on<Now>("figures", (now) => {
      client.setQueryData(nowKey(latest.current), now);
      // Reports are asked for when figures come, so that the two agree: once a second while there are
      // new calls, never without. While they are being answered, the next figures ask again.
      if (newest === 0 || now.last_seq < newest || client.isFetching({ queryKey: [SPEND] }) > 0) return;
      newest = 0;
      void client.invalidateQueries({ queryKey: [SPEND] });
    });
    on<LiveMinutes>("minutes", (minutes) => {
      client.setQueryData<LiveMinutes>(minutesQuery(latest.current).queryKey, (known) =>
        mergeMinutes(known, minutes),
      );
    });
    on<LiveCalls>("calls", (news) => {
      const first = client.getQueryData(statusQuery.queryKey)?.ledger.last_seq === 0;
      if (first) void client.invalidateQueries({ queryKey: statusQuery.queryKey });
      if (!isOpenEnded(latest.current)) return;
      if (holding.current) {
        queue.current.push(...news.calls);
        if (queue.current.length > ROWS_KEPT) queue.current.splice(0, queue.current.length - ROWS_KEPT);
        setWaiting((count) => count + news.calls.length + news.skipped);
      } else {
        addCalls(client, latest.current, news.calls);
      }
      newest = Math.max(newest, news.last_seq);
    });
    return () => {
      events.close();
      queue.current = [];
      setWaiting(0);
    };
  }, [client, source]);

  return { state, waiting, release };
}

/** Put new calls, oldest first, on top of the list; one that is there already stays once. */
function addCalls(client: QueryClient, search: Search, news: readonly CallBrief[]): void {
  if (news.length === 0) return;
  client.setQueryData<InfiniteData<Calls, number | undefined>>(callsQuery(search).queryKey, (known) => {
    const first = known?.pages[0];
    if (known === undefined || first === undefined) return known;
    const seen = new Set(first.calls.map((call) => call.seq));
    const added = news.filter((call) => !seen.has(call.seq));
    const calls = [...added, ...first.calls].sort((a, b) => b.seq - a.seq);
    const last_seq = Math.max(first.last_seq, calls[0]?.seq ?? 0);
    const last = calls[ROWS_KEPT - 1];
    if (calls.length > ROWS_KEPT && last !== undefined) {
      // A day of live traffic must not fill the browser: older rows are asked for again.
      const page = { ...first, calls: calls.slice(0, ROWS_KEPT), next_before: last.seq, last_seq };
      return { pages: [page], pageParams: [undefined] };
    }
    return { ...known, pages: [{ ...first, calls, last_seq }, ...known.pages.slice(1)] };
  });
}

/** Replace the minutes that changed, keep the last hour's. */
export function mergeMinutes(known: LiveMinutes | undefined, news: LiveMinutes): LiveMinutes {
  const byStart = new Map<number, [string, number, number]>();
  for (const minutes of known === undefined ? [news] : [known, news]) {
    minutes.starts_ms.forEach((start, index) => {
      byStart.set(start, [
        minutes.cost_pico[index] ?? "0",
        minutes.calls[index] ?? 0,
        minutes.unpriced_calls[index] ?? 0,
      ]);
    });
  }
  const kept = [...byStart].sort(([a], [b]) => a - b).slice(-MINUTES_KEPT);
  return {
    starts_ms: kept.map(([start]) => start),
    cost_pico: kept.map(([, [cost]]) => cost),
    calls: kept.map(([, [, calls]]) => calls),
    unpriced_calls: kept.map(([, [, , unpriced]]) => unpriced),
    last_seq: news.last_seq,
  };
}
