import type { ReactNode } from "react";
import type { CallBrief } from "@/shared/api/types";
import { formatCount, formatDuration, formatExactMoment, formatMoment } from "@/shared/format";
import { StateBadge, StatusBadge } from "./badges";
import { CostCell, KeyCell, ModelCell, speedOf, TextCell, WhoCell, WitnessCell, whoOf } from "./cells";
import type { OrderName } from "./order";

export interface Column {
  id: string;
  title: string;
  hint?: string;
  /** Width as a grid track; it begins with the least width. */
  track: string;
  right?: boolean;
  /** How soon it gives way when there is little room: 0 never. Null is only shown where it is chosen. */
  drop: 0 | 1 | 2 | 3 | null;
  /** What the rows can be sorted by in it. */
  order?: OrderName;
  cell: (call: CallBrief, tz: string) => ReactNode;
}

/** The table's columns, in reading order: time, caller, model, amounts, outcome. */
export const COLUMNS: readonly Column[] = [
  {
    id: "time",
    title: "Time",
    track: "112px",
    drop: 0,
    order: "time",
    cell: (call, tz) => (
      <time dateTime={call.occurred_at} title={formatExactMoment(call.occurred_at, tz)} className="text-soft">
        {formatMoment(call.occurred_at, tz)}
      </time>
    ),
  },
  {
    id: "model",
    title: "Model",
    track: "minmax(136px,1.6fr)",
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
  text("app", "App", (call) => call.app),
  text("user", "User", (call) => call.user),
  text("customer", "Customer", (call) => call.customer),
  text("session", "Session", (call) => call.session),
  text("surface", "Endpoint", (call) => call.surface),
  {
    id: "key",
    title: "API key",
    track: "minmax(110px,0.8fr)",
    drop: null,
    cell: (call) => <KeyCell fingerprint={call.key_fingerprint} />,
  },
  tokens("in", "In", "All input tokens, cached ones included", 2, (call) => call.input_tokens),
  tokens("cached", "Cached", "Of In: tokens read from a cache", 3, (call) => call.cache_read_input_tokens),
  tokens(
    "write",
    "Written",
    "Of In: tokens written to a cache",
    null,
    (call) => call.cache_creation_input_tokens,
  ),
  tokens("out", "Out", "All output tokens, reasoning included", 2, (call) => call.output_tokens),
  tokens("reasoning", "Reason", "Of Out: reasoning tokens", 3, (call) => call.reasoning_output_tokens),
  {
    id: "tokens",
    title: "Tokens",
    hint: "In and Out together",
    track: "72px",
    right: true,
    drop: null,
    order: "tokens",
    cell: (call) => formatCount(call.input_tokens + call.output_tokens),
  },
  {
    id: "cost",
    title: "Cost",
    track: "126px",
    right: true,
    drop: 0,
    order: "cost",
    cell: (call) => <CostCell call={call} />,
  },
  {
    id: "state",
    title: "Price state",
    track: "88px",
    drop: null,
    cell: (call) => <StateBadge state={call.cost_state} />,
  },
  {
    id: "ttft",
    title: "First byte",
    hint: "Request received to the first byte of the response",
    track: "78px",
    right: true,
    drop: 3,
    order: "first_byte",
    cell: (call) => <span className="text-soft">{formatDuration(call.first_byte_us)}</span>,
  },
  {
    id: "latency",
    title: "Total",
    hint: "Request received to the last byte of the response",
    track: "72px",
    right: true,
    drop: 1,
    order: "total",
    cell: (call) => <span className="text-soft">{formatDuration(call.total_us)}</span>,
  },
  {
    id: "speed",
    title: "Tokens/s",
    hint: "Output tokens a second, from the first byte of a stream on",
    track: "72px",
    right: true,
    drop: null,
    cell: (call) => {
      const speed = speedOf(call);
      return speed === null ? (
        <TextCell text={null} />
      ) : (
        <span className="text-soft">{speed.toFixed(speed < 10 ? 1 : 0)}</span>
      );
    },
  },
  {
    id: "attempt",
    title: "Retry",
    hint: "The SDK's own count: a first try is none",
    track: "52px",
    right: true,
    drop: null,
    cell: (call) => <TextCell text={call.attempt > 0 ? String(call.attempt) : null} />,
  },
  { id: "seen", title: "Seen by", track: "76px", drop: null, cell: (call) => <WitnessCell call={call} /> },
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
const WIDTH_FOR = [0, 640, 910, 1142] as const;

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
        <span className="flex items-baseline gap-2 text-[12px] text-soft">
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
    order: "cost",
    cell: (call) => <CostCell call={call} stacked />,
  },
];

/** Whether the calls are listed on two lines each. */
export function isCompact(width: number): boolean {
  return width < COMPACT_BELOW;
}

/** The chosen columns, else those there is room for. A column means the same wherever it is shown. */
export function columnsFor(width: number, chosen?: readonly string[]): readonly Column[] {
  if (isCompact(width)) return COMPACT;
  if (chosen !== undefined) return COLUMNS.filter(({ id }) => chosen.includes(id) || id === "cost");
  return COLUMNS.filter(({ drop }) => drop !== null && width >= WIDTH_FOR[drop]);
}

/** The least width in pixels that columns have side by side, gaps and margins included. */
export function leastWidth(columns: readonly Column[]): number {
  const fixed = columns.map(({ track }) => Number(/^(?:minmax\()?(\d+)px/.exec(track)?.[1] ?? 0));
  return fixed.reduce((sum, track) => sum + track, 16 * (columns.length - 1) + 40);
}

function text(id: string, title: string, value: (call: CallBrief) => string | null): Column {
  return {
    id,
    title,
    track: "minmax(90px,0.8fr)",
    drop: null,
    cell: (call) => <TextCell text={value(call)} />,
  };
}

function tokens(
  id: string,
  title: string,
  hint: string,
  drop: 2 | 3 | null,
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
