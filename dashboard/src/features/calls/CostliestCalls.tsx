import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { formatCount, formatDuration, formatMoment } from "@/shared/format";
import { type Search, zoneOf } from "@/shared/search/search";
import { Card } from "@/shared/ui/page/Card";
import { Loaded } from "@/shared/ui/page/Loaded";
import { RowsLink } from "@/shared/ui/tables/RowsLink";
import { CostCell, whoOf } from "./cells";
import { costliestQuery } from "./queries";

/** The calls that cost most; each opens its receipt. */
export function CostliestCalls({ search }: { search: Search }): ReactElement {
  const calls = useQuery(costliestQuery(search, 8));
  const tz = zoneOf(search);
  const head = "py-1.5 pr-4 text-left font-medium";
  const cell = "py-2 pr-4 whitespace-nowrap";
  return (
    <Card
      title="Most expensive calls"
      aside={
        <RowsLink where={{ order: "cost" }} className="text-[12.5px] font-medium text-accent">
          All by cost
        </RowsLink>
      }
    >
      <Loaded query={calls} skeleton={<div className="skeleton h-56" />}>
        {(data) =>
          data.calls.length === 0 ? (
            <p className="py-6 text-center text-[13px] text-soft">No calls in this span.</p>
          ) : (
            <div className="overflow-x-auto">
              <table className="w-full text-[13px]">
                <thead className="text-[12px] text-soft">
                  <tr>
                    <th className={head}>Cost</th>
                    <th className={head}>Model</th>
                    <th className={head}>App / user</th>
                    <th className={`${head} hidden sm:table-cell`}>Tokens in</th>
                    <th className={`${head} hidden sm:table-cell`}>Out</th>
                    <th className={`${head} hidden sm:table-cell`}>Took</th>
                    <th className={head}>Time</th>
                  </tr>
                </thead>
                <tbody>
                  {data.calls.map((call) => (
                    <tr key={call.seq} className="border-t border-line">
                      <td className={cell}>
                        <RowsLink where={{ call: call.event_id, order: "cost" }} title="Open its receipt">
                          <CostCell call={call} />
                        </RowsLink>
                      </td>
                      <td className={`${cell} max-w-48 truncate font-medium`}>
                        {call.model ?? call.surface}
                      </td>
                      <td className={`${cell} max-w-48 truncate`}>{whoOf(call).join(" / ") || "·"}</td>
                      <td className={`${cell} hidden sm:table-cell`}>{formatCount(call.input_tokens)}</td>
                      <td className={`${cell} hidden sm:table-cell`}>{formatCount(call.output_tokens)}</td>
                      <td className={`${cell} hidden text-soft sm:table-cell`}>
                        {formatDuration(call.total_us)}
                      </td>
                      <td className={`${cell} text-soft`}>{formatMoment(call.occurred_at, tz)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </Loaded>
    </Card>
  );
}
