/**
 * Keep the page current by the server's events: new calls, changed minutes, the header's
 * figures. The events carry whole values, so the next one makes up for one that was missed.
 */

import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { address } from "@/shared/api/client";
import { type CallPages, callsQuery, minutesQuery, nowKey, SPEND, statusQuery } from "@/shared/api/queries";
import type { CallBrief, Hello, LiveCalls, LiveMinutes, Now } from "@/shared/api/types";
import type { Live, LiveState } from "@/shared/live-state";
import { isOpenEnded, type Search, whereOf, zoneOf } from "@/shared/search/search";

const MINUTES_KEPT = 61;
const ROWS_KEPT = 2_000;
/** The server sends figures every five seconds, later where it is slow: a longer silence means that it has stopped. */
const SILENCE_MS = 15_000;
const STOPPED_AFTER_MS = 20_000;
const REOPEN_MS = 5_000;
const CLOSED = 2;

export function useLive(search: Search, held: boolean): Live {
  const client = useQueryClient();
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

  const day = useRef("");
  const newest = useRef(0); // the newest call that the reports have not been asked about
  const act = useMemo(
    () => ({
      hello: ({ last_seq }: Hello, resumed: boolean): void => {
        if (resumed) {
          void client.invalidateQueries(); // later events do not repeat what was missed
          return;
        }
        const { queryKey } = callsQuery(latest.current);
        const listed = client.getQueryData<CallPages>(queryKey)?.pages[0];
        if (listed !== undefined && listed.last_seq < last_seq) void client.invalidateQueries({ queryKey });
      },
      figures: (now: Now): void => {
        client.setQueryData(nowKey(latest.current), now);
        // At midnight "today", "week" and "month" may become another span: the figures shown are the old one's.
        const today = new Date(now.at).toLocaleDateString("sv-SE", { timeZone: zoneOf(latest.current) });
        const isAnother = day.current !== "" && day.current !== today;
        day.current = today;
        if (isAnother) {
          void client.invalidateQueries();
          return;
        }
        // Reports are asked for when figures come, so that the two agree: once a second while there are
        // new calls, never without. While a response is outstanding, the next figures ask again.
        if (newest.current === 0 || now.last_seq < newest.current) return;
        if (client.isFetching({ queryKey: [SPEND] }) > 0) return;
        newest.current = 0;
        void client.invalidateQueries({ queryKey: [SPEND] });
      },
      minutes: (minutes: LiveMinutes): void => {
        client.setQueryData<LiveMinutes>(minutesQuery(latest.current).queryKey, (known) =>
          mergeMinutes(known, minutes),
        );
      },
      calls: (news: LiveCalls): void => {
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
        newest.current = Math.max(newest.current, news.last_seq);
      },
    }),
    [client],
  );

  // biome-ignore lint/correctness/useExhaustiveDependencies: what is queued belongs to the filters it came for
  useEffect(
    () => () => {
      queue.current = [];
      newest.current = 0;
      setWaiting(0);
    },
    [source],
  );
  return { ...useEvents(source, act), waiting, release };
}

interface Acts {
  hello: (hello: Hello, resumed: boolean) => void;
  figures: (now: Now) => void;
  minutes: (minutes: LiveMinutes) => void;
  calls: (calls: LiveCalls) => void;
}

/**
 * Listen to the server, and know whether it is sending. A browser gives up a refused stream for good and waits
 * for a silent one for ever, so both are opened again here.
 */
function useEvents(source: string, act: Acts): { state: LiveState; heardAt: number | null } {
  const [state, setState] = useState<LiveState>("connecting");
  const heard = useRef({ at: Date.now(), once: false, lost: false });
  useEffect(() => {
    let events: EventSource;
    let openedAt = 0;
    const on = <T>(name: string, tell: (data: T) => void): void => {
      events.addEventListener(name, (event) => {
        heard.current = { ...heard.current, at: Date.now(), once: true };
        tell(JSON.parse((event as MessageEvent<string>).data) as T);
        heard.current.lost = false;
        setState("live");
      });
    };
    const open = (): void => {
      openedAt = Date.now();
      events = new EventSource(source);
      events.onerror = lose;
      events.addEventListener("failed", lose);
      on<Hello>("hello", (hello) => act.hello(hello, heard.current.lost));
      on<Now>("figures", act.figures);
      on<LiveMinutes>("minutes", act.minutes);
      on<LiveCalls>("calls", act.calls);
    };
    const lose = (): void => {
      heard.current.lost = true;
      judge();
    };
    const judge = (): void => {
      const silent = Date.now() - heard.current.at;
      if (!heard.current.lost && silent < SILENCE_MS) return;
      heard.current.lost = true;
      setState(silent < STOPPED_AFTER_MS ? "reconnecting" : "stopped");
      const gone = events.readyState === CLOSED || silent >= SILENCE_MS;
      if (gone && Date.now() - openedAt >= REOPEN_MS) {
        events.close();
        open();
      }
    };
    open();
    const watch = setInterval(judge, 1_000);
    return () => {
      clearInterval(watch);
      events.close();
    };
  }, [source, act]);
  return { state, heardAt: heard.current.once ? heard.current.at : null };
}

/** Put new calls, oldest first, on top of the list; one that is there already stays once. */
function addCalls(client: QueryClient, search: Search, news: readonly CallBrief[]): void {
  if (news.length === 0) return;
  client.setQueryData<CallPages>(callsQuery(search).queryKey, (known) => {
    const first = known?.pages[0];
    if (known === undefined || first === undefined) return known;
    const seen = new Set(first.calls.map((call) => call.seq));
    const added = news.filter((call) => !seen.has(call.seq));
    const calls = [...added, ...first.calls].sort((a, b) => b.seq - a.seq);
    const last_seq = Math.max(first.last_seq, calls[0]?.seq ?? 0);
    const last = calls[ROWS_KEPT - 1];
    if (calls.length > ROWS_KEPT && last !== undefined) {
      // A day of live traffic must not fill the browser: older rows are asked for again.
      const page = { ...first, calls: calls.slice(0, ROWS_KEPT), next_cursor: null, last_seq };
      return { pages: [page], pageParams: [null] };
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
