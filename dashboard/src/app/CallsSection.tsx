import type { ReactElement } from "react";
import { CallsTable } from "@/features/calls/CallsTable";
import { ReceiptPanel } from "@/features/calls/ReceiptPanel";
import { NothingMatches } from "@/features/capture/EmptyState";
import type { Live } from "@/features/live/use-live";
import { whereOf, zoneOf } from "@/shared/search/search";
import type { SearchActions } from "@/shared/search/use-search";

interface CallsSectionProps {
  actions: SearchActions;
  live: Live;
  paused: boolean;
  resume: () => void;
}

/** The calls, and the receipt of the one that is open beside them. */
export function CallsSection({ actions, live, paused, resume }: CallsSectionProps): ReactElement {
  const { search, change, clear } = actions;
  const filtered = Object.keys(whereOf(search)).length > 0;
  return (
    <div className={`grid gap-6 ${search.call ? "lg:grid-cols-[minmax(0,1fr)_400px]" : ""}`}>
      <section aria-label="Recent calls" className="card min-w-0 pt-5 pb-2">
        <header className="mb-4 flex min-h-6 items-center justify-between px-5">
          <h2 className="text-[13.5px] font-semibold tracking-tight">Calls</h2>
          {live.waiting > 0 ? (
            <button
              type="button"
              onClick={() => {
                resume();
                live.release();
              }}
              className="rounded-full bg-accent-soft px-3 py-1 text-[12.5px] font-medium text-accent"
            >
              {live.waiting} new {live.waiting === 1 ? "call" : "calls"}
            </button>
          ) : (
            <span className="hidden text-[12.5px] text-faint sm:inline">
              <kbd className="rounded bg-sunken px-1.5 font-mono text-[11px]">Space</kbd>{" "}
              {paused ? "lets the list go on" : "holds the list still"}
            </span>
          )}
        </header>
        <CallsTable
          search={search}
          opened={search.call}
          open={(call) => change({ call })}
          empty={
            <NothingMatches
              filtered={filtered}
              widen={() => (filtered ? clear() : change({ since: "30d", until: undefined }))}
            />
          }
        />
      </section>
      {search.call ? (
        <ReceiptPanel id={search.call} tz={zoneOf(search)} close={() => change({ call: undefined })} />
      ) : null}
    </div>
  );
}
