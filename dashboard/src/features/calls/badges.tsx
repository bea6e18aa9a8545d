import type { ReactElement } from "react";
import type { CallBrief } from "@/shared/api/types";

const STATE_MEANING: Record<string, string> = {
  priced: "Priced by the rate in force when it happened",
  free: "Its price is zero, or the provider does not bill it",
  included: "A subscription or reserved capacity pays for it",
  unpriced: "Usage is known, a price is not: not zero",
  estimated: "Priced from estimated usage",
  unknown: "Usage is not known, so the cost is not either",
  provider_reported: "The provider stated this amount",
};

const STATE_LABEL: Record<string, string> = { provider_reported: "reported" };

/** How certain an amount is. */
export function StateBadge({ state }: { state: string }): ReactElement {
  const warns = state === "unpriced" || state === "unknown";
  return (
    <span
      title={STATE_MEANING[state] ?? state}
      className={`rounded-md px-1.5 py-0.5 text-[11.5px] font-medium ${
        warns ? "bg-warn-soft text-warn" : "bg-sunken text-soft"
      }`}
    >
      {STATE_LABEL[state] ?? state}
    </span>
  );
}

const OUTCOME_LABEL: Record<string, string> = {
  client_disconnected: "left",
  upstream_failed: "failed",
  timed_out: "timeout",
  refused: "refused",
  unknown: "unknown",
};

/** The HTTP status, or what happened where there was none. */
export function StatusBadge({ call }: { call: CallBrief }): ReactElement {
  const title = [call.outcome.replaceAll("_", " "), call.error_class].filter(Boolean).join(" · ");
  if (call.outcome !== "completed") {
    return (
      <span title={title} className="text-[12.5px] font-medium text-warn">
        {OUTCOME_LABEL[call.outcome] ?? call.outcome}
      </span>
    );
  }
  return (
    <span title={title} className={call.status >= 400 ? "font-medium text-bad" : "text-soft"}>
      {call.status}
    </span>
  );
}
