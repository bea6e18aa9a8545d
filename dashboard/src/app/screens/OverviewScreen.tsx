import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useEffect, useState } from "react";
import { BreakdownCard } from "@/features/breakdown/BreakdownCard";
import { ReceiptPanel } from "@/features/calls/ReceiptPanel";
import { FirstCall } from "@/features/capture/EmptyState";
import { HealthNotice } from "@/features/capture/HealthNotice";
import { FilterBar } from "@/features/filters/FilterBar";
import { HelpDialog } from "@/features/help/HelpDialog";
import { useLive } from "@/features/live/use-live";
import { Figures } from "@/features/spend/Figures";
import { MinutesCard } from "@/features/spend/MinutesCard";
import { SpanCard } from "@/features/spend/SpanCard";
import { statusQuery } from "@/shared/api/queries";
import { zoneOf } from "@/shared/search/search";
import { useSearch } from "@/shared/search/use-search";
import { OutOfDate } from "@/shared/ui/Loaded";
import { useKeys } from "@/shared/ui/use-keys";
import { CallsSection } from "./CallsSection";
import { TopBar } from "./TopBar";

/** The overview page: total spend, its breakdowns, and each call with its receipt. */
export function OverviewPage(): ReactElement {
  const actions = useSearch();
  const { search, change, toggle } = actions;
  const [paused, setPaused] = useState(false);
  const [help, setHelp] = useState(false);
  const scrolled = useScrolledPast(900);
  const live = useLive(search, paused || scrolled);
  const status = useQuery(statusQuery);
  const tz = zoneOf(search);
  const outOfDate = live.state === "reconnecting" || live.state === "stopped";
  useKeys({ " ": () => setPaused(!paused), "?": () => setHelp(true) });

  return (
    <OutOfDate.Provider value={outOfDate}>
      <TopBar live={live} tz={tz} paused={paused} help={() => setHelp(true)} />
      <main className="mx-auto flex max-w-[1440px] flex-col gap-6 px-4 pt-6 pb-24 sm:px-8">
        <HealthNotice silentSince={live.state === "stopped" ? live.heardAt : null} tz={tz} />
        {status.data?.ledger.last_seq === 0 ? (
          <>
            <section aria-label="First call" className="card">
              <FirstCall />
            </section>
            {search.call ? (
              <ReceiptPanel id={search.call} tz={tz} close={() => change({ call: undefined })} />
            ) : null}
          </>
        ) : (
          <>
            <FilterBar {...actions} />
            <div className="py-2">
              <Figures search={search} showUnpriced={() => change({ cost_state: "unpriced,unknown" })} />
            </div>
            <div className="grid gap-6 xl:grid-cols-2">
              <MinutesCard search={search} />
              <SpanCard search={search} />
            </div>
            <div className="grid gap-6 lg:grid-cols-3">
              <BreakdownCard search={search} by="model" colored onPick={toggle} />
              <BreakdownCard search={search} by="surface" onPick={toggle} />
              <BreakdownCard search={search} by="key" onPick={toggle} />
            </div>
            <CallsSection actions={actions} live={live} paused={paused} resume={() => setPaused(false)} />
          </>
        )}
      </main>
      <HelpDialog open={help} close={() => setHelp(false)} />
    </OutOfDate.Provider>
  );
}

/** Whether the page is scrolled so far down that new rows on top would move what is being read. */
function useScrolledPast(pixels: number): boolean {
  const [past, setPast] = useState(false);
  useEffect(() => {
    const onScroll = (): void => setPast(window.scrollY > pixels);
    window.addEventListener("scroll", onScroll, { passive: true });
    return () => window.removeEventListener("scroll", onScroll);
  }, [pixels]);
  return past;
}
