import type { KeyboardEvent, ReactElement } from "react";
import type { Stopped } from "@/shared/api/stops";

/** Stops what a row belongs to, after a question. */
export function StopButton({ what, act }: { what: Stopped; act: () => void }): ReactElement {
  return (
    <button
      type="button"
      onClick={act}
      aria-label={`Stop ${what.dimension} ${what.value}`}
      title={`Stop this ${what.dimension} (k)`}
      className="rounded-md px-2 py-0.5 text-[12.5px] font-medium text-bad hover:bg-bad-soft"
    >
      Stop
    </button>
  );
}

/** `k` on a row that has the focus stops it; elsewhere `k` stays what it is. */
export function stopKeys(act: () => void): (event: KeyboardEvent) => void {
  return (event) => {
    if (event.key !== "k" || event.metaKey || event.ctrlKey || event.altKey) return;
    event.preventDefault();
    act();
  };
}
