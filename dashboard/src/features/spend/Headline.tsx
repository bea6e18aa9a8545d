import { skipToken, useQuery } from "@tanstack/react-query";
import type { ReactElement, ReactNode } from "react";
import { nowKey, summaryQuery } from "@/shared/api/queries";
import type { CacheSavings, Now, Summary, Sums } from "@/shared/api/types";
import { formatCalls, formatCompact, formatCount } from "@/shared/format";
import { DEFAULT_SINCE, presetOf, type Search } from "@/shared/search/search";
import { Delta } from "@/shared/ui/figures/Delta";
import { Money } from "@/shared/ui/figures/Money";
import { Loaded } from "@/shared/ui/page/Loaded";
import { RowsLink } from "@/shared/ui/tables/RowsLink";

const AGAINST: Record<string, string> = {
  today: "yesterday by now",
  month: "last month by now",
  "prev-month": "the month before",
};

/** What the chosen span came to, against the span before: spend first, then calls, tokens, averages, savings. */
export function Headline({ search }: { search: Search }): ReactElement {
  const summary = useQuery(summaryQuery(search));
  const pushed = useQuery<Now>({ queryKey: nowKey(search), queryFn: skipToken });
  return (
    <Loaded query={summary} skeleton={<HeadlineSkeleton />}>
      {(data) => <Figures search={search} summary={data} now={freshest(pushed.data, data.now)} />}
    </Loaded>
  );
}

interface FiguresProps {
  search: Search;
  summary: Summary;
  now: Now;
}

function Figures({ search, summary, now }: FiguresProps): ReactElement {
  const since = search.since ?? DEFAULT_SINCE;
  const isToday = since === "today" && search.until === undefined;
  const isHour = since === "1h" && search.until === undefined;
  // What is pushed is newer than the summary: two figures of one span never differ.
  const sums = isToday ? now.today : isHour ? now.last_hour : summary.sums;
  const before = isToday ? now.yesterday_so_far : (summary.previous?.sums ?? null);
  const change = isToday ? now.today_change_percent : summary.cost_change_percent;
  const tokens = sums.input_tokens + sums.output_tokens;
  return (
    <section
      aria-label="Spend"
      className="grid grid-cols-2 gap-x-6 gap-y-6 md:grid-cols-4 xl:grid-cols-[minmax(0,1.7fr)_repeat(5,minmax(0,1fr))]"
    >
      <div className="col-span-2 min-w-0 md:col-span-4 xl:col-span-1">
        <h2 className="label">{spanTitle(search)}</h2>
        <p
          data-testid="spend"
          className="mt-1 text-[40px] leading-none font-semibold tracking-[-0.035em] sm:text-[44px]"
        >
          <Money pico={sums.cost_pico} atLeast={!sums.complete} />
        </p>
        <p className="mt-2.5 text-[13px]">
          <Delta
            percent={change}
            against={AGAINST[since] ?? "in the span before"}
            before={before ? <Money pico={before.cost_pico} atLeast={!before.complete} /> : undefined}
          />
        </p>
      </div>
      <Figure label="Calls" note={was(before, (past) => formatCount(past.calls))}>
        <RowsLink title={formatCalls(sums.calls)}>{formatCompact(sums.calls)}</RowsLink>
      </Figure>
      <Figure label="Failed" note={was(before, (past) => formatCount(past.errors))}>
        <RowsLink
          where={{ status: "4xx,5xx,0" }}
          title={`${formatCalls(sums.errors)} failed`}
          className={sums.errors > 0 ? "text-bad" : ""}
        >
          {formatCompact(sums.errors)}
        </RowsLink>
      </Figure>
      <Figure label="Tokens" note={tokenNote(sums)}>
        <span title={`${formatCount(tokens)} tokens`}>{formatCompact(tokens)}</span>
      </Figure>
      <Figure label="Average per call" note={was(before, (past) => <Money pico={past.average_pico} />)}>
        <Money pico={sums.average_pico} />
      </Figure>
      <Savings cache={summary.cache} />
    </section>
  );
}

function was(before: Sums | null, figure: (before: Sums) => ReactNode): ReactNode {
  return before === null || before.calls === 0 ? "" : <>was {figure(before)}</>;
}

function tokenNote(sums: Sums): string {
  if (sums.input_tokens === 0) return "";
  const cached = Math.floor((sums.cache_read_input_tokens * 100) / sums.input_tokens);
  return `${formatCompact(sums.output_tokens)} out, ${cached} % of input cached`;
}

/** What cached tokens cost less. Less than nothing where writing to the cache cost more than reading saved. */
function Savings({ cache }: { cache: CacheSavings }): ReactElement {
  const unknown = cache.unknown_calls > 0;
  const note = unknown
    ? `not known for ${formatCalls(cache.unknown_calls)}`
    : "by list price, writing included";
  return (
    <Figure label={cache.saved_pico.startsWith("-") ? "Caching cost more" : "Saved by caching"} note={note}>
      <Money pico={cache.saved_pico} />
    </Figure>
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
      <p className="mt-1 text-[22px] leading-[44px] font-semibold tracking-[-0.02em]">{children}</p>
      <p className="mt-1 text-[12.5px] text-soft">{note}</p>
    </div>
  );
}

function HeadlineSkeleton(): ReactElement {
  return (
    <div
      aria-hidden="true"
      className="grid grid-cols-2 gap-8 md:grid-cols-4 xl:grid-cols-[1.7fr_repeat(5,1fr)]"
    >
      {["a", "b", "c", "d", "e", "f"].map((key) => (
        <div key={key}>
          <div className="skeleton h-4 w-20" />
          <div className="skeleton mt-3 h-9 w-24" />
          <div className="skeleton mt-3 h-4 w-20" />
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
