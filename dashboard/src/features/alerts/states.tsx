import type { ReactElement } from "react";
import type { AlertView } from "@/shared/api/types";

export type AlertState = "firing" | "snoozed" | "quiet";

/** A snoozed alert that fires is snoozed: nobody is told. */
export function stateOf(alert: AlertView): AlertState {
  if (alert.snoozes.some(({ value }) => value === null)) return "snoozed";
  return alert.firing.length > 0 ? "firing" : "quiet";
}

const CHIP: Record<AlertState, string> = {
  firing: "bg-bad-soft text-bad",
  snoozed: "bg-warn-soft text-warn",
  quiet: "bg-sunken text-soft",
};

export function StateChip({ alert }: { alert: AlertView }): ReactElement {
  const state = stateOf(alert);
  const number = alert.firing.length + alert.more_firing;
  const fires = number > 0 ? `firing${number > 1 ? ` (${number})` : ""}` : "";
  const words = state === "snoozed" ? ["snoozed", fires].filter(Boolean).join(", ") : fires || "quiet";
  return (
    <span className={`rounded-full px-2 py-0.5 text-[12px] font-medium whitespace-nowrap ${CHIP[state]}`}>
      {words}
    </span>
  );
}

/** A shape and a word: colour alone says nothing. */
export function SeverityMark({ severity }: { severity: string }): ReactElement {
  const [mark, color] = { critical: ["▲", "text-bad"], warning: ["◆", "text-warn"] }[severity] ?? [
    "●",
    "text-faint",
  ];
  return (
    <span className="whitespace-nowrap">
      <span aria-hidden="true" className={`mr-1.5 text-[10px] ${color}`}>
        {mark}
      </span>
      {severity}
    </span>
  );
}
