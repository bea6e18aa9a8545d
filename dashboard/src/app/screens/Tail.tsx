import type { ReactElement } from "react";
import { useLiveState } from "@/shared/live-state";

/** What waits while the list is held still, or how to hold it. */
export function Tail(): ReactElement {
  const live = useLiveState();
  if (live.waiting === 0) {
    return (
      <span className="mr-2 hidden text-[12.5px] text-soft sm:inline">
        <kbd className="rounded bg-sunken px-1.5 font-mono text-[11px]">Space</kbd>{" "}
        {live.paused ? "lets the list go on" : "holds the list still"}
      </span>
    );
  }
  return (
    <button
      type="button"
      onClick={() => {
        live.setPaused(false);
        live.release();
      }}
      className="mr-2 rounded-full bg-accent-soft px-3 py-1 text-[12.5px] font-medium text-accent"
    >
      {live.waiting} new {live.waiting === 1 ? "call" : "calls"}
    </button>
  );
}
