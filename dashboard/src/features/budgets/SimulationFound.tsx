import type { ReactElement } from "react";
import type { BudgetSimulation } from "@/shared/api/types";
import { formatCalls, formatCount, formatMoment } from "@/shared/format";
import { Money } from "@/shared/ui/figures/Money";
import { simulationWords, titleOf } from "./budget-words";

const SHOWN = 8;

/** What a budget would have blocked, of whom, and when. */
export function SimulationFound({ found, tz }: { found: BudgetSimulation; tz: string }): ReactElement {
  return (
    <div className="mt-1 text-[13px]">
      <p className={found.blocked_calls > 0 ? "" : "text-soft"}>{simulationWords(found)}</p>
      {found.unpriced_calls > 0 ? (
        <p className="text-warn">
          {formatCalls(found.unpriced_calls)} of these without a price: the amounts are at least that.
        </p>
      ) : null}
      {found.whom.length > 0 ? (
        <ul aria-label="Whom it would have hurt" className="mt-2 flex flex-col gap-1">
          {found.whom.slice(0, SHOWN).map((each) => (
            <li key={JSON.stringify(each.whom)} className="flex items-baseline gap-3">
              <span className="min-w-0 flex-1 truncate">
                {Object.entries(each.whom)
                  .map(([name, value]) => `${titleOf(name)} ${value}`)
                  .join(" · ") || "calls that name nobody"}
              </span>
              <span className="text-[12px] text-faint">{formatCalls(each.calls)}</span>
              <Money pico={each.saved_pico} />
            </li>
          ))}
          {found.whom.length > SHOWN ? (
            <li className="text-faint">and {formatCount(found.whom.length - SHOWN)} more</li>
          ) : null}
        </ul>
      ) : null}
      {found.windows.length > 0 ? (
        <details className="mt-2">
          <summary className="cursor-pointer font-medium">
            When it would have stopped calls
            {found.windows.length > SHOWN
              ? `: the last ${SHOWN} of ${formatCount(found.windows.length)}`
              : ""}
          </summary>
          <ul className="mt-1 flex flex-col gap-1 text-soft">
            {found.windows.slice(-SHOWN).map((each) => (
              <li key={`${each.value} ${each.first}`}>
                {formatMoment(each.first, tz)} – {formatMoment(each.last, tz)}
                {each.value === null ? "" : `, ${each.value}`}: {formatCalls(each.calls)}
              </li>
            ))}
          </ul>
        </details>
      ) : null}
    </div>
  );
}
