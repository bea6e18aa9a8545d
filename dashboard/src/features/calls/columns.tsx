import type { ReactElement, ReactNode } from "react";
import type { CallBrief } from "@/shared/api/types";
import { formatCount, formatDuration, formatExactMoment, formatMoment } from "@/shared/format";
import { Money } from "@/shared/ui/Money";
import { StateBadge, StatusBadge } from "./badges";

export interface Column {
  id: string;
  title: string;
  hint?: string;
  /** Width as a grid track. */
  track: string;
  right?: boolean;
  /** How soon it gives way when there is little room: 0 never. */
  drop: 0 | 1 | 2 | 3;
  cell: (call: CallBrief, tz: string) => ReactNode;
}

/** The table's columns, in reading order: time, caller, model, amounts, outcome. */
export const COLUMNS: readonly Column[] = [
  {
    id: "time",
    title: "Time",
    track: "112px",
    drop: 0,
    cell: (call, tz) => (
      <time dateTime={call.occurred_at} title={formatExactMoment(call.occurred_at, tz)} className="text-soft">
        {formatMoment(call.occurred_at, tz)}
      </time>
    ),
  },
  {
    id: "model",
    title: "Model",
    track: "minmax(150px,1.6fr)",
    drop: 0,
    cell: (call) => <ModelCell call={call} />,
  },
  {
    id: "who",
    title: "App / user",
    track: "minmax(90px,1fr)",
    drop: 2,
    cell: (call) => <WhoCell call={call} />,
  },
  tokens("in", "In", "All input tokens, cached ones included", 2, (call) => call.input_tokens),
  tokens("cached", "Cached", "Of In: tokens read from a cache", 3, (call) => call.cache_read_input_tokens),
  tokens("out", "Out", "All output tokens, reasoning included", 2, (call) => call.output_tokens),
  tokens("reasoning", "Reason", "Of Out: reasoning tokens", 3, (call) => call.reasoning_output_tokens),
  {
    id: "cost",
    title: "Cost",
    track: "132px",
    right: true,
    drop: 0,
    cell: (call) => <CostCell call={call} />,
  },
  {
    id: "ttft",
    title: "First byte",
    hint: "Request received to the first byte of the response",
    track: "78px",
    right: true,
    drop: 3,
    cell: (call) => <span className="text-soft">{formatDuration(call.first_byte_us)}</span>,
  },
  {
    id: "latency",
    title: "Total",
    hint: "Request received to the last byte of the response",
    track: "72px",
    right: true,
    drop: 1,
    cell: (call) => <span className="text-soft">{formatDuration(call.total_us)}</span>,
  },
  {
    id: "status",
    title: "Status",
    track: "64px",
    right: true,
    drop: 0,
    cell: (call) => <StatusBadge call={call} />,
  },
];

/** The width from which a column of each `drop` is shown. */
const WIDTH_FOR = [0, 640, 910, 1170] as const;

/** Below this width a call takes two lines, so that its cost is always on the screen. */
const COMPACT_BELOW = 560;

const COMPACT: readonly Column[] = [
  {
    id: "call",
    title: "Call",
    track: "minmax(0,1fr)",
    drop: 0,
    cell: (call, tz) => (
      <>
        <span className="block truncate font-medium">{call.model ?? call.surface}</span>
        <span className="flex items-baseline gap-2 text-[12px] text-faint">
          <span>{formatMoment(call.occurred_at, tz)}</span>
          <span className="truncate">{whoOf(call).join(" / ") || call.provider}</span>
          {call.status === 200 && call.outcome === "completed" ? null : <StatusBadge call={call} />}
        </span>
      </>
    ),
  },
  {
    id: "cost",
    title: "Cost",
    track: "max-content",
    right: true,
    drop: 0,
    cell: (call) => <CostCell call={call} stacked />,
  },
];

/** Whether the calls are listed on two lines each. */
export function isCompact(width: number): boolean {
  return width < COMPACT_BELOW;
}

/** The columns there is room for. A column means the same wherever it is shown. */
export function columnsFor(width: number): readonly Column[] {
  return isCompact(width) ? COMPACT : COLUMNS.filter((column) => width >= WIDTH_FOR[column.drop]);
}

function tokens(
  id: string,
  title: string,
  hint: string,
  drop: 2 | 3,
  count: (call: CallBrief) => number,
): Column {
  return {
    id,
    title,
    hint,
    track: "66px",
    right: true,
    drop,
    cell: (call) => {
      const value = count(call);
      return value === 0 ? <span className="text-faint">·</span> : formatCount(value);
    },
  };
}

function ModelCell({ call }: { call: CallBrief }): ReactElement {
  return (
    <span className="flex min-w-0 items-baseline gap-2">
      <span className="truncate font-medium">{call.model ?? call.surface}</span>
      <span className="truncate text-[12px] text-faint">{call.provider}</span>
    </span>
  );
}

function WhoCell({ call }: { call: CallBrief }): ReactElement {
  const who = whoOf(call).join(" / ");
  if (who === "") return <span className="text-faint">·</span>;
  return (
    <span className="block truncate" title={who}>
      {who}
    </span>
  );
}

function whoOf(call: CallBrief): string[] {
  return [call.app, call.user ?? call.customer].filter((part) => part !== null);
}

/** What it cost, with how certain that is where it is not a plain price. */
function CostCell({ call, stacked = false }: { call: CallBrief; stacked?: boolean }): ReactElement {
  const plain = call.cost_state === "priced" || call.cost_state === "free";
  return (
    <span
      className={`inline-flex justify-end gap-x-1.5 font-medium ${stacked ? "flex-col items-end" : "items-baseline"}`}
    >
      {plain ? null : <StateBadge state={call.cost_state} />}
      {call.cost_pico === null ? null : (
        <Money pico={call.cost_pico} atLeast={call.cost_state === "unpriced"} />
      )}
    </span>
  );
}
