import type { ReactElement } from "react";
import type { Stopped } from "@/shared/api/stops";
import type { Busy } from "@/shared/api/types";
import { formatCalls } from "@/shared/format";
import { largest, permille } from "@/shared/money";
import { CallsLink } from "@/shared/search/CallsLink";
import { Money } from "@/shared/ui/figures/Money";
import { Share } from "@/shared/ui/figures/Share";
import { Card } from "@/shared/ui/page/Card";
import { StopButton, stopKeys } from "./StopButton";

interface BusyCardProps {
  title: string;
  dimension: "session" | "process";
  rows: readonly Busy[];
  mayStop: boolean;
  stop: (stopped: Stopped, about?: string) => void;
  /** Why there is none. */
  none: string;
}

/** The sessions, or the processes, that spend the most now. */
export function BusyCard({ title, dimension, rows, mayStop, stop, none }: BusyCardProps): ReactElement {
  const top = largest(rows.map(({ sums }) => sums.cost_pico));
  const filter = dimension === "session" ? "session" : "tag.process.pid";
  return (
    <Card title={title}>
      {rows.length === 0 ? (
        <p className="py-2 text-[13px] text-soft">{none}</p>
      ) : (
        <ul className="flex flex-col gap-3">
          {rows.map((row) => {
            const what: Stopped = { dimension, value: row.key };
            const act = (): void => stop(what, row.label ?? undefined);
            const canStop = mayStop && !row.stopped;
            return (
              <li
                key={row.key}
                // biome-ignore lint/a11y/noNoninteractiveTabindex: the row is what `k` acts on
                tabIndex={0}
                onKeyDown={canStop ? stopKeys(act) : undefined}
                className="-mx-2 rounded-lg px-2 py-1"
              >
                <div className="flex items-baseline gap-3 text-[13px]">
                  <span className="min-w-0 flex-1 truncate" title={row.label ?? row.key}>
                    <span className="font-medium">{row.label ?? row.key}</span>
                    {row.label === null ? null : <span className="text-faint"> {row.key}</span>}
                  </span>
                  <CallsLink
                    where={{ [filter]: row.key }}
                    className={row.sums.errors > 0 ? "text-bad" : "text-soft"}
                  >
                    {formatCalls(row.sums.calls)}
                    {row.sums.errors > 0 ? `, ${row.sums.errors} failed` : ""}
                  </CallsLink>
                  <span className="font-medium">
                    <Money pico={row.sums.cost_pico} atLeast={!row.sums.complete} />
                  </span>
                  {row.stopped ? (
                    <span className="rounded-full bg-bad-soft px-2 py-0.5 text-[12px] font-medium text-bad">
                      stopped
                    </span>
                  ) : mayStop ? (
                    <StopButton what={what} act={act} />
                  ) : null}
                </div>
                <div className="mt-1.5">
                  <Share permille={permille(row.sums.cost_pico, top)} />
                </div>
              </li>
            );
          })}
        </ul>
      )}
    </Card>
  );
}
