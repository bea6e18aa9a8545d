import type { ReactElement } from "react";

const CHIP: Record<string, string> = {
  final: "bg-accent-soft text-accent",
  active: "bg-accent-soft text-accent",
  "in force": "bg-accent-soft text-accent",
  draft: "bg-warn-soft text-warn",
  planned: "bg-warn-soft text-warn",
  later: "bg-warn-soft text-warn",
  running: "bg-warn-soft text-warn",
};

/** A state in a word. */
export function StatusChip({ status }: { status: string }): ReactElement {
  return (
    <span
      className={`rounded-full px-2 py-0.5 text-[12px] font-medium whitespace-nowrap ${CHIP[status] ?? "bg-sunken text-soft"}`}
    >
      {status}
    </span>
  );
}
