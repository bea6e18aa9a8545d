import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useContext, useRef, useState } from "react";
import { minutesQuery } from "@/shared/api/queries";
import type { LiveMinutes } from "@/shared/api/types";
import { type Search, zoneOf } from "@/shared/search/search";
import { ViewSwitch } from "@/shared/ui/charts/ViewSwitch";
import { Card } from "@/shared/ui/page/Card";
import { Loaded, OutOfDate } from "@/shared/ui/page/Loaded";
import { useNow } from "@/shared/ui/page/use-now";
import { BarChart } from "./BarChart";
import { ChartTable } from "./ChartTable";

const MINUTE_MS = 60_000;
export const MINUTES_SHOWN = 60;

/** Spend a minute for the last hour, moving: one bar a minute, the running one hatched. */
export function MinutesCard({ search }: { search: Search }): ReactElement {
  const minutes = useQuery(minutesQuery(search));
  const now = useMinute();
  const [asTable, setAsTable] = useState(false);
  const name = "Spend per minute, last hour";
  return (
    <Card title={name} aside={<ViewSwitch asTable={asTable} onChange={setAsTable} />}>
      <Loaded query={minutes} skeleton={<div className="skeleton h-[190px]" />}>
        {(data) => {
          const shown = lastHour(data, now);
          const figures = {
            bucket: "minute" as const,
            tz: zoneOf(search),
            startsMs: shown.starts_ms,
            total: shown.cost_pico,
            calls: shown.calls,
            unpriced: shown.unpriced_calls,
            stacks: [{ label: "Spend", color: "var(--s0)", cost_pico: shown.cost_pico }],
          };
          return asTable ? (
            <ChartTable caption={name} {...figures} />
          ) : (
            <BarChart name={name} partialAt={MINUTES_SHOWN - 1} {...figures} />
          );
        }}
      </Loaded>
    </Card>
  );
}

/** The time in milliseconds. It stands still while no events come: nothing is known of later minutes. */
function useMinute(): number {
  const now = useNow(1_000).getTime();
  const outOfDate = useContext(OutOfDate);
  const known = useRef(now);
  if (!outOfDate) known.current = now;
  return known.current;
}

/** Return sixty whole minutes up to the running one; those without calls are zero. */
export function lastHour(minutes: LiveMinutes, nowMs: number): LiveMinutes {
  const at = new Map(minutes.starts_ms.map((start, index) => [start, index]));
  const first = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS - (MINUTES_SHOWN - 1) * MINUTE_MS;
  const starts = Array.from({ length: MINUTES_SHOWN }, (_, index) => first + index * MINUTE_MS);
  const pick = <T,>(values: readonly T[], none: T): T[] =>
    starts.map((start) => values[at.get(start) ?? -1] ?? none);
  return {
    starts_ms: starts,
    cost_pico: pick(minutes.cost_pico, "0"),
    calls: pick(minutes.calls, 0),
    unpriced_calls: pick(minutes.unpriced_calls, 0),
    last_seq: minutes.last_seq,
  };
}
