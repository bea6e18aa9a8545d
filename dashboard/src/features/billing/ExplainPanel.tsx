import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import { groupDigits } from "@/shared/amount";
import type { Explanation } from "@/shared/api/types";
import { formatCount, formatMoment } from "@/shared/format";
import { zoneOf } from "@/shared/search/search";
import { useSearch } from "@/shared/search/use-search";
import { SidePanel } from "@/shared/ui/dialogs/SidePanel";
import { TextButton } from "@/shared/ui/forms/buttons";
import { Loaded } from "@/shared/ui/page/Loaded";
import { explanationQuery } from "./changes";

const SHOWN = 100;

/** A line of an invoice, down to the calls or outcomes that add up to it. */
export function ExplainPanel({ line, close }: { line: string; close: () => void }): ReactElement {
  const explanation = useQuery(explanationQuery(line));
  const tz = zoneOf(useSearch().search);
  return (
    <SidePanel title={`Why ${line}`} close={close}>
      <Loaded query={explanation} skeleton={<div className="skeleton h-64" />}>
        {(found) => <Explained found={found} tz={tz} />}
      </Loaded>
    </SidePanel>
  );
}

function Explained({ found, tz }: { found: Explanation; tz: string }): ReactElement {
  const [shown, setShown] = useState(SHOWN);
  const parts = found.calls.length > 0 ? "calls" : "outcomes";
  const number = found.calls.length + found.outcomes.length;
  return (
    <div className="flex flex-col gap-4 text-[13px]">
      <section>
        <h3 className="font-medium">{found.line.title}</h3>
        <ol className="mt-1 flex flex-col gap-0.5 text-soft">
          {found.arithmetic.map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ol>
      </section>
      {found.adds_up === null ? null : (
        <p className={found.adds_up ? "text-accent" : "text-bad"}>
          {found.adds_up
            ? `${formatCount(number)} ${parts} add up to its quantity, ${groupDigits(found.quantity ?? "")}.`
            : `The ${parts} add up to ${found.quantity}, which is not its quantity.`}
        </p>
      )}
      {number > 0 ? (
        <div className="overflow-x-auto">
          <table className="w-full">
            <caption className="sr-only">What adds up to it</caption>
            <thead className="text-left text-[12px] text-soft">
              <tr>
                <th scope="col" className="pb-1 font-medium">
                  Time
                </th>
                <th scope="col" className="pb-1 pl-3 font-medium">
                  {found.calls.length > 0 ? "Model" : "Outcome"}
                </th>
                <th scope="col" className="pb-1 pl-3 text-right font-medium">
                  {found.counted_unit ?? "Quantity"}
                </th>
              </tr>
            </thead>
            <tbody>
              {found.calls.slice(0, shown).map((call) => (
                <tr key={`${call.event_id} ${call.quantity}`} className="border-t border-line align-baseline">
                  <td className="py-1 whitespace-nowrap">
                    <Link
                      to={"/explorer" as never}
                      search={{ call: call.event_id } as never}
                      className="text-accent underline underline-offset-4"
                    >
                      {formatMoment(call.occurred_at, tz)}
                    </Link>
                  </td>
                  <td className="py-1 pl-3 break-all">
                    {call.model}
                    {call.value ? ` · ${call.value}` : ""}
                    {call.is_unpriced ? <span className="text-warn"> · unpriced</span> : null}
                  </td>
                  <td className="py-1 pl-3 text-right whitespace-nowrap">{groupDigits(call.quantity)}</td>
                </tr>
              ))}
              {found.outcomes.slice(0, shown).map((outcome) => (
                <tr key={outcome.event_id} className="border-t border-line align-baseline">
                  <td className="py-1 whitespace-nowrap">{formatMoment(outcome.occurred_at, tz)}</td>
                  <td className="py-1 pl-3 break-all">
                    {outcome.outcome}
                    {outcome.task ? ` · ${outcome.task}` : ""}
                  </td>
                  <td className="py-1 pl-3 text-right whitespace-nowrap">{groupDigits(outcome.quantity)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
      {number > shown ? (
        <TextButton className="self-start" onClick={() => setShown(shown * 4)}>
          Show more of {formatCount(number)}
        </TextButton>
      ) : null}
    </div>
  );
}
