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

/** The table's columns, in reading order: when, who, what, how much, how it went. */
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
  tokens(
    "in",
    "In",
    "Input tokens that were not read from a cache; those written to one included",
    2,
    (call) => call.input_tokens - call.cache_read_input_tokens,
  ),
  tokens("cached", "Cached", "Input tokens read from a cache", 3, (call) => call.cache_read_input_tokens),
  tokens(
    "out",
    "Out",
    "Output tokens without reasoning",
    2,
    (call) => call.output_tokens - call.reasoning_output_tokens,
  ),
  tokens("reasoning", "Reason", "Reasoning tokens", 3, (call) => call.reasoning_output_tokens),
  {
    id: "cost",
    title: "Cost",
    track: "104px",
    right: true,
    drop: 0,
    cell: (call) => (
      <span className="font-medium">
        {call.cost_state === "priced" || call.cost_state === "free" ? null : (
          <StateBadge state={call.cost_state} />
        )}{" "}
        {call.cost_pico === null ? null : <Money pico={call.cost_pico} />}
      </span>
    ),
  },
  {
    id: "ttft",
    title: "First byte",
    hint: "Request received to the first byte of the answer",
    track: "78px",
    right: true,
    drop: 3,
    cell: (call) => <span className="text-soft">{formatDuration(call.first_byte_us)}</span>,
  },
  {
    id: "latency",
    title: "Total",
    hint: "Request received to the last byte of the answer",
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
const WIDTH_FOR = [0, 610, 880, 1140] as const;

/** What stands in where the column of a part is hidden: the whole, so that no token goes unseen. */
const WHOLE: Readonly<Record<string, { without: string; column: Column }>> = {
  in: {
    without: "cached",
    column: tokens("in", "In", "All input tokens, cached ones included", 2, (call) => call.input_tokens),
  },
  out: {
    without: "reasoning",
    column: tokens("out", "Out", "All output tokens, reasoning included", 2, (call) => call.output_tokens),
  },
};

/** The columns there is room for. */
export function columnsFor(width: number): readonly Column[] {
  const shown = COLUMNS.filter((column) => width >= WIDTH_FOR[column.drop]);
  const ids = new Set(shown.map((column) => column.id));
  return shown.map((column) => {
    const whole = WHOLE[column.id];
    return whole === undefined || ids.has(whole.without) ? column : whole.column;
  });
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
  const who = [call.app, call.user ?? call.customer].filter((part) => part !== null);
  if (who.length === 0) return <span className="text-faint">·</span>;
  return (
    <span className="block truncate" title={who.join(" / ")}>
      {who.join(" / ")}
    </span>
  );
}
