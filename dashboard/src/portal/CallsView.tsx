import { useInfiniteQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { formatCount, formatMoment } from "@/shared/format";
import { WithPanel } from "@/shared/ui/dialogs/SidePanel";
import { SideButton, TextButton } from "@/shared/ui/forms/buttons";
import { Card } from "@/shared/ui/page/Card";
import { Empty } from "@/shared/ui/page/Empty";
import { ErrorNotice } from "@/shared/ui/page/ErrorNotice";
import { formatExact } from "./exact-amount";
import { callsQuery, type Span } from "./portal-queries";
import { Receipt } from "./Receipt";
import { SpanChoice } from "./SpanChoice";
import type { PortalCall } from "./types";

/** Every call with what it is charged; one opens its receipt. */
export function CallsView({ tz }: { tz: string }): ReactElement {
  const [span, setSpan] = useState<Span>({ span: "period" });
  const [opened, setOpened] = useState<string | null>(null);
  const calls = useInfiniteQuery(callsQuery(span));
  const rows = calls.data?.pages.flatMap((page) => page.calls) ?? [];
  return (
    <>
      <SpanChoice span={span} choose={setSpan} />
      {calls.error ? <ErrorNotice error={calls.error} retry={() => void calls.refetch()} /> : null}
      <WithPanel
        panel={opened !== null ? <Receipt id={opened} tz={tz} close={() => setOpened(null)} /> : null}
      >
        <Card title="Calls">
          {calls.isPending ? (
            <div aria-busy="true" className="skeleton h-64" />
          ) : rows.length === 0 && !calls.error ? (
            <Empty title="No calls in this time">
              Calls show here some seconds after they end. Choose another time above for older ones.
            </Empty>
          ) : (
            <CallsTable rows={rows} tz={tz} opened={opened} open={setOpened} />
          )}
          {calls.hasNextPage ? (
            <SideButton
              className="mt-4 self-start"
              disabled={calls.isFetchingNextPage}
              onClick={() => void calls.fetchNextPage()}
            >
              {calls.isFetchingNextPage ? "Loading…" : "Show older calls"}
            </SideButton>
          ) : null}
        </Card>
      </WithPanel>
    </>
  );
}

interface CallsTableProps {
  rows: readonly PortalCall[];
  tz: string;
  opened: string | null;
  open: (id: string) => void;
}

function CallsTable({ rows, tz, opened, open }: CallsTableProps): ReactElement {
  const wide = opened === null ? "hidden md:table-cell" : "hidden"; // the receipt takes their place, and has both
  return (
    <div className="-mx-5 overflow-x-auto px-5">
      <table className="w-full text-[13px]">
        <caption className="sr-only">Calls, the newest first</caption>
        <thead className="text-left text-[12.5px] text-soft">
          <tr>
            <th scope="col" className="py-1.5 font-medium">
              Time
            </th>
            <th scope="col" className="py-1.5 pl-4 font-medium">
              Model
            </th>
            <th scope="col" className={`py-1.5 pl-4 font-medium ${wide}`}>
              Agent
            </th>
            <th scope="col" className={`py-1.5 pl-4 font-medium ${wide}`}>
              Conversation
            </th>
            <th scope="col" className="hidden py-1.5 pl-4 text-right font-medium sm:table-cell">
              Input
            </th>
            <th scope="col" className="hidden py-1.5 pl-4 text-right font-medium sm:table-cell">
              Output
            </th>
            <th scope="col" className="py-1.5 pl-4 text-right font-medium">
              Charged
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((call) => (
            <tr
              key={call.event_id}
              className={`border-t border-line align-baseline ${opened === call.event_id ? "bg-sunken" : ""}`}
            >
              <td className="py-1.5 whitespace-nowrap">
                <TextButton onClick={() => open(call.event_id)}>
                  {formatMoment(call.occurred_at, tz)}
                </TextButton>
              </td>
              <td className="py-1.5 pl-4 break-words">
                {call.model ?? "–"}
                {call.failed ? <span className="text-bad"> · failed</span> : null}
              </td>
              <td className={`py-1.5 pl-4 break-words ${wide}`}>{call.agent ?? "–"}</td>
              <td className={`max-w-44 truncate py-1.5 pl-4 ${wide}`}>{call.session ?? "–"}</td>
              <td className="hidden py-1.5 pl-4 text-right sm:table-cell">
                {formatCount(call.input_tokens + call.cache_read_tokens + call.cache_creation_tokens)}
              </td>
              <td className="hidden py-1.5 pl-4 text-right sm:table-cell">
                {formatCount(call.output_tokens)}
              </td>
              <td className="py-1.5 pl-4 text-right whitespace-nowrap">
                {call.amount === null ? (
                  <span className="text-soft" title="The receipt says why there is no amount">
                    –
                  </span>
                ) : (
                  formatExact(call.amount, call.currency)
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
