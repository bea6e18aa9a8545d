import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { statusQuery } from "@/shared/api/queries";
import type { Sums } from "@/shared/api/types";
import { formatCalls } from "@/shared/format";

interface CoverageChipProps {
  sums: Sums;
  onClick: () => void;
}

/** How much of a total is known. Without it a total would look complete. */
export function CoverageChip({ sums, onClick }: CoverageChipProps): ReactElement | null {
  const status = useQuery(statusQuery);
  if (status.data?.ledger.state === "degraded") {
    return (
      <span
        title={status.data.ledger.message}
        className="rounded-full bg-warn-soft px-2.5 py-1 text-[12.5px] font-medium whitespace-nowrap text-warn"
      >
        Records missing
        <span className="sr-only sm:not-sr-only">
          {" "}
          · {sums.priced_percent} % of {formatCalls(sums.calls)} priced
        </span>
      </span>
    );
  }
  if (sums.calls === 0) return null;
  if (sums.unpriced_calls === 0) {
    return (
      <span className="rounded-full bg-accent-soft px-2.5 py-1 text-[12.5px] font-medium whitespace-nowrap text-accent">
        100 % <span className="sr-only sm:not-sr-only">priced</span>
      </span>
    );
  }
  return (
    <button
      type="button"
      onClick={onClick}
      title="Show the calls that have no price yet"
      className="rounded-full bg-warn-soft px-2.5 py-1 text-[12.5px] font-medium whitespace-nowrap text-warn hover:underline hover:underline-offset-4"
    >
      {sums.priced_percent} %{" "}
      <span className="sr-only sm:not-sr-only">priced · {formatCalls(sums.unpriced_calls)} unpriced</span>
    </button>
  );
}
