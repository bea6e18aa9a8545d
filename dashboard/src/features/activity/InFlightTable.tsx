import type { ReactElement } from "react";
import type { Stopped } from "@/shared/api/stops";
import type { CallInFlight } from "@/shared/api/types";
import { formatCount, formatDuration } from "@/shared/format";
import { Money } from "@/shared/ui/figures/Money";
import { StopButton, stopKeys } from "./StopButton";

interface InFlightTableProps {
  calls: readonly CallInFlight[];
  mayStop: boolean;
  stop: (stopped: Stopped, about?: string) => void;
}

const HEAD = "pb-2 pl-4 font-medium whitespace-nowrap first:pl-0";
const CELL = "py-1.5 pl-4 whitespace-nowrap first:pl-0";

/** Calls that have begun and not ended: their cost so far is known every few seconds of a stream. */
export function InFlightTable({ calls, mayStop, stop }: InFlightTableProps): ReactElement {
  if (calls.length === 0)
    return <p className="py-4 text-[13px] text-soft">No call is under way at this moment.</p>;
  return (
    <div className="-mx-5 max-h-80 overflow-auto px-5">
      <table className="w-full text-[13px]">
        <caption className="sr-only">Calls in flight</caption>
        <thead className="text-left text-[12.5px] text-soft">
          <tr>
            <th scope="col" className={HEAD}>
              Running
            </th>
            <th scope="col" className={HEAD}>
              Model
            </th>
            <th scope="col" className={HEAD}>
              Who
            </th>
            <th scope="col" className={`${HEAD} text-right`}>
              Tokens out
            </th>
            <th scope="col" className={`${HEAD} text-right`}>
              Cost so far
            </th>
            <th scope="col" className={`${HEAD} text-right`}>
              At most
            </th>
            <th scope="col" className={HEAD} aria-label="Stop" />
          </tr>
        </thead>
        <tbody>
          {calls.map((call) => {
            const what = stoppable(call);
            return (
              <tr
                key={call.event_id}
                tabIndex={0}
                onKeyDown={what && mayStop ? stopKeys(() => stop(what)) : undefined}
                className="border-t border-line"
              >
                <td className={`${CELL} font-medium`}>{formatDuration(call.running_us)}</td>
                <td className={CELL}>{call.model ?? <span className="text-faint">{call.surface}</span>}</td>
                <td className={`${CELL} max-w-48 truncate`}>{whoseOf(call)}</td>
                <td className={`${CELL} text-right`}>
                  {call.output_tokens === null ? "–" : formatCount(call.output_tokens)}
                </td>
                <td className={`${CELL} text-right font-medium`}>
                  {call.cost_pico === null ? (
                    <span title="Not known until the response has begun to stream">–</span>
                  ) : (
                    <Money pico={call.cost_pico} atLeast />
                  )}
                </td>
                <td className={`${CELL} text-right text-soft`}>
                  {call.reserved_pico === null ? (
                    <span title="No budget covers it">–</span>
                  ) : (
                    <Money pico={call.reserved_pico} />
                  )}
                </td>
                <td className={`${CELL} text-right`}>
                  {what && mayStop ? <StopButton what={what} act={() => stop(what)} /> : null}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function whoseOf(call: CallInFlight): string {
  const named = [call.app, call.user, call.agent, call.session].filter((each) => each !== null);
  return named.join(" / ") || (call.process === null ? "–" : `process ${call.process}`);
}

/** What a runaway call belongs to that can be stopped: its session, else its process. */
function stoppable(call: CallInFlight): Stopped | null {
  if (call.session !== null) return { dimension: "session", value: call.session };
  return call.process === null ? null : { dimension: "process", value: call.process };
}
