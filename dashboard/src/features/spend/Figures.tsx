import { skipToken, useQuery } from "@tanstack/react-query";
import type { ReactElement, ReactNode } from "react";
import { nowKey, summaryQuery } from "@/shared/api/queries";
import type { Now, Summary, Sums } from "@/shared/api/types";
import { formatCalls, formatCompact, formatCount } from "@/shared/format";
import { DEFAULT_SINCE, presetOf, type Search } from "@/shared/search/search";
import { Delta } from "@/shared/ui/Delta";
import { Loaded } from "@/shared/ui/Loaded";
import { Money } from "@/shared/ui/Money";
import { CoverageChip } from "./CoverageChip";

interface FiguresProps {
  search: Search;
  showUnpriced: () => void;
}

const AGAINST: Record<string, string> = {
  today: "yesterday by now",
  month: "last month by now",
  "prev-month": "the month before",
};

/** Spend in the chosen span, with what is uncertain about it, and the present spend per minute. */
export function Figures({ search, showUnpriced }: FiguresProps): ReactElement {
  const summary = useQuery(summaryQuery(search));
  const pushed = useQuery<Now>({ queryKey: nowKey(search), queryFn: skipToken });
  return (
    <Loaded query={summary} skeleton={<FiguresSkeleton />}>
      {(data) => (
        <Shown
          search={search}
          summary={data}
          now={freshest(pushed.data, data.now)}
          showUnpriced={showUnpriced}
        />
      )}
    </Loaded>
  );
}

interface ShownProps extends FiguresProps {
  summary: Summary;
  now: Now;
}

function Shown({ search, summary, now, showUnpriced }: ShownProps): ReactElement {
  const since = search.since ?? DEFAULT_SINCE;
  const isToday = since === "today" && search.until === undefined;
  const isHour = since === "1h" && search.until === undefined;
  // What is pushed is newer than the summary: two figures of one span never differ.
  const sums = isToday ? now.today : isHour ? now.last_hour : summary.sums;
  const change = isToday ? now.today_change_percent : summary.cost_change_percent;
  return (
    <section
      aria-label="Spend"
      className="grid grid-cols-2 gap-x-6 md:gap-x-8 gap-y-6 md:grid-cols-[minmax(0,2fr)_1fr_1fr_1fr]"
    >
      <div className="col-span-2 min-w-0 md:col-span-1">
        <p className="label">{spanTitle(search)}</p>
        <p className="mt-1 flex flex-wrap items-center gap-x-4 gap-y-2">
          <span
            data-testid="spend"
            className="text-[40px] sm:text-[44px] leading-none font-semibold tracking-[-0.035em]"
          >
            <Money pico={sums.cost_pico} atLeast={!sums.complete} />
          </span>
          <CoverageChip sums={sums} onClick={showUnpriced} />
        </p>
        <p className="mt-2.5 text-[13px]">
          <Delta percent={change} against={AGAINST[since] ?? "in the span before"} />
        </p>
      </div>
      {isToday ? null : (
        <Figure
          label="Today"
          sums={now.today}
          note={<Delta percent={now.today_change_percent} against="yesterday by now" />}
        />
      )}
      {isHour ? null : (
        <Figure label="Last hour" sums={now.last_hour} note={formatCalls(now.last_hour.calls)} />
      )}
      <Figure
        label="Last minute"
        sums={now.last_minute}
        note={formatCalls(now.last_minute.calls)}
        suffix="/min"
      />
      {isToday || isHour ? (
        <div>
          <p className="label">Calls</p>
          <p className="mt-1 text-[22px] leading-[44px] sm:text-[26px] font-semibold tracking-[-0.02em]">
            {formatCompact(sums.calls)}
          </p>
          <p className="mt-2.5 text-[13px] text-soft">
            {sums.errors > 0 ? <span className="text-bad">{formatCount(sums.errors)} failed · </span> : null}
            {formatCompact(sums.input_tokens + sums.output_tokens)} tokens
          </p>
        </div>
      ) : null}
    </section>
  );
}

interface FigureProps {
  label: string;
  sums: Sums;
  note: ReactNode;
  suffix?: string;
}

function Figure({ label, sums, note, suffix }: FigureProps): ReactElement {
  return (
    <div className="min-w-0">
      <p className="label">{label}</p>
      <p className="mt-1 text-[22px] leading-[44px] sm:text-[26px] font-semibold tracking-[-0.02em]">
        <Money pico={sums.cost_pico} atLeast={!sums.complete} />
        {suffix ? (
          <span className="ml-0.5 align-baseline text-[15px] leading-none font-normal text-soft">
            {suffix}
          </span>
        ) : null}
      </p>
      <p className="mt-2.5 text-[13px] text-soft">{note}</p>
    </div>
  );
}

function FiguresSkeleton(): ReactElement {
  return (
    <div aria-hidden="true" className="grid grid-cols-2 gap-8 md:grid-cols-[2fr_1fr_1fr_1fr]">
      {["a", "b", "c", "d"].map((key) => (
        <div key={key}>
          <div className="skeleton h-4 w-20" />
          <div className="skeleton mt-3 h-9 w-36" />
          <div className="skeleton mt-3 h-4 w-28" />
        </div>
      ))}
    </div>
  );
}

function freshest(pushed: Now | undefined, answered: Now): Now {
  return pushed !== undefined && pushed.at > answered.at ? pushed : answered;
}

function spanTitle(search: Search): string {
  const preset = presetOf(search);
  if (preset?.id === "today" || preset === undefined)
    return preset ? "Spend today" : "Spend in the chosen span";
  return `Spend, ${preset.title.toLowerCase()}`;
}
