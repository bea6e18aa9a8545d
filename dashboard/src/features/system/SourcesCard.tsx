import type { ReactElement } from "react";
import type { Capture, CaptureSource } from "@/shared/api/types";
import { formatBytes, formatCount, formatExactMoment, formatMoment } from "@/shared/format";
import { CallsLink } from "@/shared/search/CallsLink";
import { Facts } from "@/shared/ui/dialogs/SidePanel";
import { Card } from "@/shared/ui/page/Card";
import { byText, type Column, SortTable } from "@/shared/ui/tables/SortTable";

interface SourcesCardProps {
  capture: Capture;
  tz: string;
}

/** Everybody who reports calls: the proxy, programs with the SDK, importers, senders of events. */
export function SourcesCard({ capture, tz }: SourcesCardProps): ReactElement {
  return (
    <Card title="Sources of calls">
      <SortTable
        caption="Sources of calls"
        rows={capture.sources}
        columns={columnsOf(capture, tz)}
        keyOf={({ source }) => source}
        empty={
          <p className="py-4 text-[13.5px] text-soft">
            No call was recorded yet. Start a program with{" "}
            <code className="font-mono text-[12.5px]">farebox run -- CMD</code>, or give its client the
            proxy's address.
          </p>
        }
      />
    </Card>
  );
}

function columnsOf(capture: Capture, tz: string): Column<CaptureSource>[] {
  const minutes = capture.window_minutes;
  return [
    {
      id: "source",
      title: "Source",
      sort: byText(({ source }) => source),
      cell: ({ source }) => (
        <span className="block max-w-80 truncate font-medium" title={source}>
          {source}
        </span>
      ),
    },
    {
      id: "last",
      title: "Last call",
      right: true,
      sort: (a, b) => a.last_at.localeCompare(b.last_at),
      cell: ({ last_at }) => (
        <span className="whitespace-nowrap" title={formatExactMoment(last_at, tz)}>
          {formatMoment(last_at, tz)}
        </span>
      ),
    },
    {
      id: "rate",
      title: "Calls a minute",
      right: true,
      sort: (a, b) => a.calls_last_minutes - b.calls_last_minutes,
      cell: ({ calls_last_minutes }) => (
        <span title={`${formatCount(calls_last_minutes)} in the last ${minutes} minutes`}>
          {calls_last_minutes === 0 ? (
            <span className="text-faint">·</span>
          ) : (
            (calls_last_minutes / minutes).toFixed(1)
          )}
        </span>
      ),
    },
    {
      id: "calls",
      title: "Calls ever",
      right: true,
      sort: (a, b) => a.calls - b.calls,
      cell: ({ source, calls }) => (
        <CallsLink where={{ source }} written={{ since: "all" }}>
          {formatCount(calls)}
        </CallsLink>
      ),
    },
    {
      id: "first",
      title: "First call",
      right: true,
      wide: true,
      sort: (a, b) => a.first_at.localeCompare(b.first_at),
      cell: ({ first_at }) => <span className="whitespace-nowrap">{formatMoment(first_at, tz)}</span>,
    },
  ];
}

/** The processes, and the sizes of what they keep. */
export function ProcessesCard({ capture, tz }: SourcesCardProps): ReactElement {
  const { sizes } = capture;
  return (
    <Card title="Processes and files">
      <ul className="mb-4 flex flex-col gap-2 text-[13px]">
        {capture.processes.map((process) => (
          <li key={process.name} className="flex items-center gap-2.5">
            <span
              aria-hidden="true"
              className={`size-2 rounded-full ${process.state === "up" ? "bg-accent" : "bg-bad"}`}
            />
            <span className="w-16 font-medium">{process.name}</span>
            <span className="text-soft">
              {process.state === "up"
                ? `${process.address ?? "running"}${process.started_at === null ? "" : `, since ${formatMoment(process.started_at, tz)}`}`
                : "does not run: farebox up starts it"}
            </span>
          </li>
        ))}
      </ul>
      <Facts
        rows={[
          [
            "Recording",
            capture.recording_words ?? (capture.recording === "off" ? "no proxy runs" : "every call"),
          ],
          ["Record", formatBytes(sizes.ledger_bytes)],
          ["Copy for questions", formatBytes(sizes.replica_bytes)],
          ["Journals", formatBytes(sizes.journal_bytes)],
        ]}
      />
      {capture.unmetered.length > 0 ? (
        <ul className="mt-4 flex flex-col gap-1 rounded-lg bg-warn-soft px-3 py-2 text-[13px] text-warn">
          {capture.unmetered.map((each) => (
            <li key={`${each.host} ${each.program} ${each.reason}`}>{each.message}</li>
          ))}
        </ul>
      ) : null}
    </Card>
  );
}
