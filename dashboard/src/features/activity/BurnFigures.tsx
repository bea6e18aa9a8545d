import { skipToken, useQuery } from "@tanstack/react-query";
import type { ReactElement, ReactNode } from "react";
import { nowKey } from "@/shared/api/queries";
import type { Activity, Now } from "@/shared/api/types";
import { formatCalls, formatCount } from "@/shared/format";
import type { Search } from "@/shared/search/search";
import { Money } from "@/shared/ui/figures/Money";

/** What is spent a minute, where that leads, and what is under way. */
export function BurnFigures({ search, activity }: { search: Search; activity: Activity }): ReactElement {
  const { burn } = activity;
  const pushed = useQuery<Now>({ queryKey: nowKey(search), queryFn: skipToken }).data;
  const minute = pushed?.last_minute;
  return (
    <section aria-label="Spend now" className="grid grid-cols-2 gap-x-6 gap-y-6 md:grid-cols-4">
      <Figure
        label="Last minute"
        note={minute === undefined ? "waiting for the first figures" : formatCalls(minute.calls)}
      >
        {minute === undefined ? "–" : <Money pico={minute.cost_pico} atLeast={!minute.complete} />}
        <Unit>/min</Unit>
      </Figure>
      <Figure label="Burn rate, last hour" note={formatCalls(burn.calls)}>
        <Money pico={burn.per_minute_pico} atLeast={burn.at_least} />
        <Unit>/min</Unit>
      </Figure>
      <Figure
        label="Today at this rate"
        note={
          <>
            <Money pico={burn.today_pico} atLeast={burn.at_least} /> so far
          </>
        }
      >
        <Money pico={burn.projected_day_pico} atLeast={burn.at_least} />
      </Figure>
      <Figure
        label="Month at this rate"
        note={
          <>
            <Money pico={burn.month_pico} atLeast={burn.at_least} /> so far
          </>
        }
      >
        <Money pico={burn.projected_month_pico} atLeast={burn.at_least} />
      </Figure>
    </section>
  );
}

/** How many calls are under way, and what they cost so far. */
export function InFlightWords({ activity }: { activity: Activity }): ReactElement | null {
  if (activity.in_flight_count === 0) return null;
  return (
    <span className="text-[12.5px] text-soft">
      {formatCount(activity.in_flight_count)} · <Money pico={activity.in_flight_pico} atLeast /> so far
    </span>
  );
}

interface FigureProps {
  label: string;
  note: ReactNode;
  children: ReactNode;
}

function Figure({ label, note, children }: FigureProps): ReactElement {
  return (
    <div className="min-w-0">
      <p className="label">{label}</p>
      <p className="mt-1 text-[22px] leading-[44px] font-semibold tracking-[-0.02em] sm:text-[28px]">
        {children}
      </p>
      <p className="mt-1 text-[13px] text-soft">{note}</p>
    </div>
  );
}

function Unit({ children }: { children: ReactNode }): ReactElement {
  return <span className="ml-0.5 text-[15px] font-normal text-soft">{children}</span>;
}
