import type { ReactElement } from "react";
import type { SessionRow } from "@/shared/api/types";
import { formatCompact, formatCount, formatDuration, formatExactMoment, formatMoment } from "@/shared/format";
import { formatPermille } from "@/shared/measures";
import { Money } from "@/shared/ui/figures/Money";
import { type Column, SortTable } from "@/shared/ui/tables/SortTable";

interface SessionTableProps {
  sessions: readonly SessionRow[];
  tz: string;
  open: (session: string) => void;
  empty: ReactElement;
}

/** The server orders them, over all pages: a column here only says by what. */
const BY_THE_SERVER = (): number => 0;

/** Sessions with what each cost. Its order is a parameter of the question, so that all pages follow it. */
export function SessionTable({ sessions, tz, open, empty }: SessionTableProps): ReactElement {
  return (
    <SortTable
      caption="Sessions"
      rows={sessions}
      columns={columnsOf(tz)}
      keyOf={({ session }) => session}
      open={({ session }) => open(session)}
      empty={empty}
    />
  );
}

function columnsOf(tz: string): Column<SessionRow>[] {
  const ordered = { right: true, sort: BY_THE_SERVER };
  return [
    {
      id: "session",
      title: "Session",
      cell: ({ session }) => (
        <span className="block max-w-56 truncate font-medium" title={session}>
          {session}
        </span>
      ),
    },
    {
      id: "cost_pico",
      title: "Cost",
      ...ordered,
      cell: ({ sums }) => <Money pico={sums.cost_pico} atLeast={!sums.complete} />,
    },
    { id: "calls", title: "Calls", ...ordered, cell: ({ sums }) => formatCount(sums.calls) },
    {
      id: "errors",
      title: "Failed",
      ...ordered,
      cell: ({ sums }) =>
        sums.errors > 0 ? <span className="text-bad">{formatCount(sums.errors)}</span> : <None />,
    },
    { id: "agents", title: "Agents", ...ordered, wide: true, cell: ({ agents }) => agents || <None /> },
    {
      id: "input_tokens_max",
      title: "Largest context",
      ...ordered,
      wide: true,
      cell: ({ input_tokens_max }) => (
        <span title={`${formatCount(input_tokens_max)} tokens`}>{formatCompact(input_tokens_max)}</span>
      ),
    },
    {
      id: "cache_read_permille",
      title: "From cache",
      ...ordered,
      wide: true,
      cell: ({ cache_read_permille }) =>
        cache_read_permille === null ? <None /> : formatPermille(cache_read_permille),
    },
    {
      id: "duration",
      title: "Duration",
      right: true,
      wide: true,
      cell: ({ duration_us }) => formatDuration(duration_us),
    },
    {
      id: "last_end_ns",
      title: "Last call",
      ...ordered,
      cell: ({ last_at }) => (
        <span className="whitespace-nowrap" title={formatExactMoment(last_at, tz)}>
          {formatMoment(last_at, tz)}
        </span>
      ),
    },
  ];
}

function None(): ReactElement {
  return <span className="text-faint">·</span>;
}
