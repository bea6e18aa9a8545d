import type { ReactElement } from "react";
import type { Sums } from "@/shared/api/types";
import { formatCalls } from "@/shared/format";

interface CoverageChipProps {
  sums: Sums;
  onClick: () => void;
}

/** How much of a total is known. A total without it would pretend. */
export function CoverageChip({ sums, onClick }: CoverageChipProps): ReactElement | null {
  if (sums.calls === 0) return null;
  if (sums.unpriced_calls === 0) {
    return (
      <span className="rounded-full bg-accent-soft px-2.5 py-1 text-[12.5px] font-medium text-accent">
        100 % priced
      </span>
    );
  }
  return (
    <button
      type="button"
      onClick={onClick}
      title="Show the calls that have no price yet"
      className="rounded-full bg-warn-soft px-2.5 py-1 text-[12.5px] font-medium text-warn hover:underline hover:underline-offset-4"
    >
      {sums.priced_percent} % priced · {formatCalls(sums.unpriced_calls)} unpriced
    </button>
  );
}
