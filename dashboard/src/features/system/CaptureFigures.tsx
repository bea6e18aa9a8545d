import type { ReactElement, ReactNode } from "react";
import type { Capture } from "@/shared/api/types";
import { formatBytes, formatCount, formatDuration } from "@/shared/format";

/** Whether all is recorded, how far behind the ledger is, what the proxy adds, and how much room it takes. */
export function CaptureFigures({ capture }: { capture: Capture }): ReactElement {
  const { losses, sizes, added, coverage } = capture;
  const lost = losses.lost_calls + losses.lost_records + losses.gaps + losses.undecodable;
  return (
    <dl className="grid grid-cols-2 gap-x-6 gap-y-5 md:grid-cols-4">
      <Figure
        label="Lost"
        bad={lost > 0}
        note={lost > 0 ? lossWords(capture) : "every record that was made is kept"}
      >
        {formatCount(losses.lost_calls)} <Unit>calls</Unit>
      </Figure>
      <Figure
        label="Not in the ledger yet"
        bad={coverage.pending_calls > 0 && !coverage.complete}
        note={`${formatBytes(sizes.pending_bytes)} in ${formatCount(capture.writers)} ${capture.writers === 1 ? "journal" : "journals"}, ${formatCount(capture.in_flight)} in flight`}
      >
        {formatCount(coverage.pending_calls)} <Unit>calls</Unit>
      </Figure>
      <Figure
        label="Added by the proxy"
        note={
          added.p99_us === null
            ? "no call through it yet"
            : `p99 ${formatDuration(added.p99_us)}, newest ${formatCount(added.calls)} calls`
        }
      >
        {added.p50_us === null ? "–" : formatDuration(added.p50_us)}
      </Figure>
      <Figure label="On disk" note={`${formatBytes(sizes.free_bytes)} free there`}>
        {formatBytes(sizes.ledger_bytes + sizes.replica_bytes + sizes.journal_bytes)}
      </Figure>
    </dl>
  );
}

interface FigureProps {
  label: string;
  note: ReactNode;
  bad?: boolean;
  children: ReactNode;
}

function Figure({ label, note, bad = false, children }: FigureProps): ReactElement {
  return (
    <div className="min-w-0">
      <dt className="label">{label}</dt>
      <dd className={`mt-1 text-[26px] leading-8 font-semibold tracking-[-0.02em] ${bad ? "text-bad" : ""}`}>
        {children}
      </dd>
      <dd className="mt-0.5 text-[13px] text-soft">{note}</dd>
    </div>
  );
}

function Unit({ children }: { children: ReactNode }): ReactElement {
  return <span className="text-[15px] font-normal text-soft">{children}</span>;
}

function lossWords({ losses }: Capture): string {
  const words: string[] = [];
  if (losses.lost_records > 0) words.push(`${formatCount(losses.lost_records)} records lost`);
  if (losses.gaps > 0) words.push(`${formatCount(losses.gaps)} damaged places in journals`);
  if (losses.undecodable > 0) words.push(`${formatCount(losses.undecodable)} records not understood`);
  return `${words.join(", ") || "calls lost"}: farebox verify says which`;
}
