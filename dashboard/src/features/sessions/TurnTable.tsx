import type { ReactElement } from "react";
import type { Turn } from "@/shared/api/types";
import { formatCount, formatDuration, formatExactMoment, formatMoment } from "@/shared/format";
import { compareCosts, formatPermille } from "@/shared/measures";
import { Money } from "@/shared/ui/figures/Money";
import { type Column, SortTable } from "@/shared/ui/tables/SortTable";

interface TurnTableProps {
  turns: readonly Turn[];
  tz: string;
  opened: string | undefined;
  open: (id: string) => void;
}

/** Each call of the session in its order, with how its context grew and what of it came from a cache. */
export function TurnTable({ turns, tz, opened, open }: TurnTableProps): ReactElement {
  return (
    <SortTable
      caption="Turns"
      rows={turns}
      columns={columnsOf(turns, tz)}
      keyOf={({ call }) => call.event_id}
      open={({ call }) => open(call.event_id)}
      opened={opened}
      orderName="turns"
      empty={<p className="py-4 text-[13px] text-soft">This session has no calls.</p>}
    />
  );
}

function columnsOf(turns: readonly Turn[], tz: string): Column<Turn>[] {
  const place = new Map(turns.map((turn, index) => [turn.call.event_id, index + 1]));
  const at = (turn: Turn): number => place.get(turn.call.event_id) ?? 0;
  const number = (of: (turn: Turn) => number): Pick<Column<Turn>, "right" | "sort"> => ({
    right: true,
    sort: (a, b) => of(a) - of(b),
  });
  return [
    { id: "turn", title: "Turn", ...number(at), cell: (turn) => at(turn) },
    {
      id: "time",
      title: "Time",
      wide: true,
      cell: ({ call }) => (
        <span className="whitespace-nowrap" title={formatExactMoment(call.occurred_at, tz)}>
          {formatMoment(call.occurred_at, tz)}
        </span>
      ),
    },
    {
      id: "agent",
      title: "Agent",
      sort: (a, b) => (a.agent ?? "").localeCompare(b.agent ?? ""),
      cell: ({ agent }) => <span className="block max-w-36 truncate">{agent ?? "–"}</span>,
    },
    {
      id: "model",
      title: "Model",
      wide: true,
      cell: ({ call }) => (
        <span className="block max-w-48 truncate" title={call.model ?? undefined}>
          {call.model ?? "–"}
          {call.status >= 400 || call.error_class !== null ? (
            <span className="text-bad"> {call.error_class ?? call.status}</span>
          ) : null}
        </span>
      ),
    },
    {
      id: "cost",
      title: "Cost",
      right: true,
      sort: (a, b) => compareCosts(a.call.cost_pico, b.call.cost_pico),
      cell: ({ call }) => <Money pico={call.cost_pico} atLeast={call.cost_state === "unpriced"} />,
    },
    {
      id: "input",
      title: "Tokens in",
      ...number(({ call }) => call.input_tokens),
      cell: ({ call }) => formatCount(call.input_tokens),
    },
    {
      id: "growth",
      title: "Growth",
      ...number(({ input_growth }) => input_growth ?? 0),
      wide: true,
      cell: ({ input_growth }) => (input_growth === null ? "–" : signed(input_growth)),
    },
    {
      id: "cached",
      title: "From cache",
      ...number(({ cache_read_permille }) => cache_read_permille ?? -1),
      cell: ({ cache_read_permille }) =>
        cache_read_permille === null ? "–" : formatPermille(cache_read_permille),
    },
    {
      id: "again",
      title: "Sent again",
      ...number(({ sent_again_tokens }) => sent_again_tokens),
      wide: true,
      cell: ({ sent_again_tokens }) =>
        sent_again_tokens === 0 ? <span className="text-faint">·</span> : formatCount(sent_again_tokens),
    },
    {
      id: "output",
      title: "Tokens out",
      ...number(({ call }) => call.output_tokens),
      wide: true,
      cell: ({ call }) => formatCount(call.output_tokens),
    },
    {
      id: "took",
      title: "Took",
      ...number(({ call }) => call.total_us),
      wide: true,
      cell: ({ call }) => formatDuration(call.total_us),
    },
  ];
}

function signed(tokens: number): string {
  return tokens > 0 ? `+${formatCount(tokens)}` : tokens < 0 ? `−${formatCount(-tokens)}` : "0";
}
