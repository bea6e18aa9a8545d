import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { BreakdownCard } from "@/features/breakdown/BreakdownCard";
import { CostliestCalls } from "@/features/calls/CostliestCalls";
import { NothingMatches } from "@/features/capture/EmptyState";
import { Headline } from "@/features/spend/Headline";
import { HeatMapCard } from "@/features/spend/HeatMapCard";
import { MoversCard } from "@/features/spend/MoversCard";
import { ProjectionCard } from "@/features/spend/ProjectionCard";
import { SpanCard } from "@/features/spend/SpanCard";
import { summaryQuery } from "@/shared/api/queries";
import { addressMoment } from "@/shared/format";
import { carried, type Dimension, filteredBy, isDimension, oneValue, zoneOf } from "@/shared/search/search";
import { useParam } from "@/shared/search/use-param";
import { useSearch } from "@/shared/search/use-search";

/** What was spent in the chosen span, on what, why that is more than before, and what the month will come to. */
export default function OverviewScreen(): ReactElement {
  const { search, change, toggle, clear } = useSearch();
  const [chosen, setBy] = useParam("by");
  const navigate = useNavigate();
  const by: Dimension = chosen !== undefined && isDimension(chosen) ? chosen : "model";
  const zoom = (startMs: number, endMs: number, inExplorer: boolean): void => {
    const tz = zoneOf(search);
    const span = { since: addressMoment(startMs, tz), until: addressMoment(endMs, tz) };
    if (inExplorer) void navigate({ to: "/explorer", search: { ...carried(search), ...span } } as never);
    else change(span);
  };
  const summary = useQuery(summaryQuery(search));
  const isEmpty = summary.data?.sums.calls === 0 && !summary.isPlaceholderData && summary.error === null;
  const filtered = filteredBy(search).length > 0;
  const headline = (
    <div className="py-1">
      <Headline search={search} />
    </div>
  );
  if (isEmpty) {
    return (
      <>
        {headline}
        <section aria-label="No calls" className="card">
          <NothingMatches
            filtered={filtered}
            widen={() => (filtered ? clear() : change({ since: "30d", until: undefined }))}
          />
        </section>
        <ProjectionCard search={search} />
      </>
    );
  }
  return (
    <>
      {headline}
      <SpanCard search={search} by={by} pick={toggle} zoom={zoom} />
      <div className="grid gap-6 lg:grid-cols-2">
        <BreakdownCard key={by} search={search} by={by} colored onPick={toggle} onBy={setBy} />
        <MoversCard
          search={search}
          by={by === "app" ? ["app", "model"] : [by, "app"]}
          onPick={(keys) =>
            change(
              Object.fromEntries(Object.entries(keys).map(([name, value]) => [name, oneValue(value ?? "")])),
            )
          }
        />
      </div>
      <div className="grid gap-6 lg:grid-cols-[minmax(0,1.6fr)_minmax(0,1fr)]">
        <HeatMapCard search={search} />
        <ProjectionCard search={search} />
      </div>
      <CostliestCalls search={search} />
    </>
  );
}
