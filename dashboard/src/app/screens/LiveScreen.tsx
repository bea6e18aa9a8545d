import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useEffect, useRef, useState } from "react";
import { BurnFigures, InFlightWords } from "@/features/activity/BurnFigures";
import { BusyCard } from "@/features/activity/BusyCard";
import { InFlightTable } from "@/features/activity/InFlightTable";
import { activityQuery } from "@/features/activity/queries";
import { CallsTable } from "@/features/calls/CallsTable";
import { ReceiptPanel } from "@/features/calls/ReceiptPanel";
import { NothingMatches } from "@/features/capture/EmptyState";
import { MinutesCard } from "@/features/spend/MinutesCard";
import { useMayChange } from "@/shared/api/role";
import type { Stopped } from "@/shared/api/stops";
import { whereOf, zoneOf } from "@/shared/search/search";
import { useSearch } from "@/shared/search/use-search";
import { StopDialog } from "@/shared/ui/dialogs/StopDialog";
import { Card } from "@/shared/ui/page/Card";
import { Loaded } from "@/shared/ui/page/Loaded";
import { Tail } from "./Tail";

/** What is spent at this moment, by whom, and the way to stop it. */
export default function LiveScreen(): ReactElement {
  const { search, change, clear } = useSearch();
  const filtered = Object.keys(whereOf(search)).length > 0;
  const widen = (): void => (filtered ? clear() : change({ since: "30d", until: undefined }));
  const activity = useQuery(activityQuery(search));
  const mayStop = useMayChange();
  const [stopping, setStopping] = useState<{ stopped: Stopped; about?: string | undefined } | null>(null);
  const stop = (stopped: Stopped, about?: string): void => setStopping({ stopped, about });
  const first = activity.data?.sessions.find(({ stopped }) => !stopped);
  useStopKey(() => {
    if (mayStop && first) stop({ dimension: "session", value: first.key });
  });
  return (
    <>
      <Loaded query={activity} skeleton={<div className="skeleton h-24" />}>
        {(data) => <BurnFigures search={search} activity={data} />}
      </Loaded>
      <div className="grid gap-6 xl:grid-cols-2">
        <MinutesCard search={search} />
        <Card
          title="Calls in flight"
          aside={activity.data ? <InFlightWords activity={activity.data} /> : null}
        >
          <Loaded query={activity} skeleton={<div className="skeleton h-40" />}>
            {(data) => <InFlightTable calls={data.in_flight} mayStop={mayStop} stop={stop} />}
          </Loaded>
        </Card>
      </div>
      <Loaded query={activity} skeleton={<div className="skeleton h-40" />}>
        {(data) => (
          <div className="grid gap-6 lg:grid-cols-2">
            <BusyCard
              title={`Sessions, last ${data.top_minutes} minutes`}
              dimension="session"
              rows={data.sessions}
              mayStop={mayStop}
              stop={stop}
              none="No call of these minutes names a session. Send x-farebox-session with each call, or use the SDK."
            />
            <BusyCard
              title={`Processes, last ${data.top_minutes} minutes`}
              dimension="process"
              rows={data.processes}
              mayStop={mayStop}
              stop={stop}
              none="No process of this machine made a call in these minutes."
            />
          </div>
        )}
      </Loaded>
      <div className={`grid gap-6 ${search.call ? "xl:grid-cols-[minmax(0,1fr)_400px]" : ""}`}>
        <section aria-label="Calls" className="card min-w-0 pt-5 pb-2">
          <header className="mb-3 flex min-h-6 flex-wrap items-center gap-2 px-5">
            <h2 className="flex-1 text-[13.5px] font-semibold tracking-tight">Calls as they come</h2>
            <Tail />
          </header>
          <CallsTable
            search={search}
            opened={search.call}
            open={(call) => change({ call })}
            empty={<NothingMatches filtered={filtered} widen={widen} />}
          />
        </section>
        {search.call ? (
          <ReceiptPanel id={search.call} tz={zoneOf(search)} close={() => change({ call: undefined })} />
        ) : null}
      </div>
      {stopping ? (
        <StopDialog stopped={stopping.stopped} about={stopping.about} close={() => setStopping(null)} />
      ) : null}
    </>
  );
}

/** `k` stops the session that spends the most, unless a row has the focus, where it moves or stops that one. */
function useStopKey(act: () => void): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== "k" || event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented)
        return;
      const target = event.target as HTMLElement;
      if (target.closest("input, textarea, select, [role=row], li, tr, dialog") !== null) return;
      if (document.querySelector("dialog[open]") !== null) return;
      event.preventDefault();
      latest.current();
    };
    document.addEventListener("keydown", onKey, { capture: true });
    return () => document.removeEventListener("keydown", onKey, { capture: true });
  }, []);
}
