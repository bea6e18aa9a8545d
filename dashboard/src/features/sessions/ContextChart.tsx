import type { ReactElement } from "react";
import type { Turn } from "@/shared/api/types";
import { formatCompact, formatCount } from "@/shared/format";
import { useWidth } from "@/shared/ui/charts/use-width";

interface ContextChartProps {
  turns: readonly Turn[];
  /** Opens the receipt of a turn's call. */
  open: (id: string) => void;
}

const HEIGHT = 180;
const LEFT = 52;
const BOTTOM = 20;
const TOP = 8;

/** The input of each turn: read from a cache, written to one, sent in full. Turns that sent much again stand out. */
export function ContextChart({ turns, open }: ContextChartProps): ReactElement {
  const [measure, width] = useWidth<HTMLDivElement>(800);
  const top = Math.max(...turns.map(({ call }) => call.input_tokens), 1);
  const room = (width - LEFT) / Math.max(turns.length, 1);
  const bar = Math.max(Math.min(room * 0.7, 28), 1);
  const high = (tokens: number): number => (tokens / top) * (HEIGHT - TOP - BOTTOM);
  const every = Math.max(Math.ceil(turns.length / Math.max(Math.floor(width / 60), 1)), 1);
  return (
    <div ref={measure} className="min-w-0">
      <svg
        role="img"
        aria-label={`Input tokens of ${formatCount(turns.length)} turns, at most ${formatCount(top)}`}
        width={width}
        height={HEIGHT}
        className="block max-w-full"
      >
        {[1, 0.5].map((share) => (
          <g key={share}>
            <line
              x1={LEFT}
              x2={width}
              y1={HEIGHT - BOTTOM - high(top * share)}
              y2={HEIGHT - BOTTOM - high(top * share)}
              stroke="var(--line)"
            />
            <text
              x={LEFT - 8}
              y={HEIGHT - BOTTOM - high(top * share) + 4}
              textAnchor="end"
              fontSize="11.5"
              fill="var(--soft)"
            >
              {formatCompact(Math.round(top * share))}
            </text>
          </g>
        ))}
        <line x1={LEFT} x2={width} y1={HEIGHT - BOTTOM} y2={HEIGHT - BOTTOM} stroke="var(--line)" />
        {turns.map((turn, index) => {
          const { call } = turn;
          const x = LEFT + index * room + (room - bar) / 2;
          const cached = high(call.cache_read_input_tokens);
          const created = high(call.cache_creation_input_tokens);
          const all = high(call.input_tokens);
          const base = HEIGHT - BOTTOM;
          return (
            // biome-ignore lint/a11y/noStaticElementInteractions: a mark of the chart, not a control of its own
            <g key={call.event_id} onClick={() => open(call.event_id)} className="cursor-pointer">
              <title>{wordsOf(turn, index)}</title>
              <rect x={LEFT + index * room} y={TOP} width={room} height={base - TOP} fill="transparent" />
              <rect
                x={x}
                y={base - all}
                width={bar}
                height={Math.max(all - cached - created, 0)}
                fill="var(--s2)"
              />
              <rect x={x} y={base - cached - created} width={bar} height={created} fill="var(--s1)" />
              <rect x={x} y={base - cached} width={bar} height={cached} fill="var(--s0)" />
              {turn.sent_again_tokens >= 10_000 ? (
                <circle cx={x + bar / 2} cy={base - all - 4} r="2.5" fill="var(--bad)" />
              ) : null}
              {index % every === 0 ? (
                <text x={x + bar / 2} y={HEIGHT - 5} textAnchor="middle" fontSize="11.5" fill="var(--soft)">
                  {index + 1}
                </text>
              ) : null}
            </g>
          );
        })}
      </svg>
      <p className="mt-2 flex flex-wrap gap-x-5 gap-y-1 text-[12.5px] text-soft">
        <Key color="var(--s0)">Read from a cache</Key>
        <Key color="var(--s1)">Written to a cache</Key>
        <Key color="var(--s2)">Sent in full</Key>
        <Key color="var(--bad)">Sent 10,000 tokens or more again</Key>
      </p>
    </div>
  );
}

function Key({ color, children }: { color: string; children: string }): ReactElement {
  return (
    <span className="flex items-center gap-1.5">
      <span aria-hidden="true" className="size-2.5 rounded-[3px]" style={{ background: color }} />
      {children}
    </span>
  );
}

function wordsOf(turn: Turn, index: number): string {
  const { call } = turn;
  const again =
    turn.sent_again_tokens > 0 ? `, ${formatCount(turn.sent_again_tokens)} of them again and uncached` : "";
  return (
    `Turn ${index + 1}${turn.agent === null ? "" : ` (${turn.agent})`}: ${formatCount(call.input_tokens)} tokens in, ` +
    `${formatCount(call.cache_read_input_tokens)} from a cache${again}`
  );
}
