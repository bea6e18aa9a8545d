import type { ReactElement } from "react";
import type { AlertSimulation } from "@/shared/api/types";
import { formatCount, formatMoment } from "@/shared/format";

const SHOWN = 20;

/** What would have been told, the newest first; and what cannot be known of the past. */
export function SimulatedEvents({ found, tz }: { found: AlertSimulation; tz: string }): ReactElement {
  const fired = found.events.filter(({ state }) => state === "firing");
  const newest = [...fired].reverse();
  return (
    <div className="mt-1 text-[13px]">
      {found.cannot.length > 0 ? (
        found.cannot.map((each) => (
          <p key={each.alert} className="text-soft">
            It cannot be simulated: {each.why}.
          </p>
        ))
      ) : (
        <p className={fired.length > 0 ? "" : "text-soft"}>
          {fired.length === 0
            ? "It would have told nothing."
            : `It would have fired ${fired.length === 1 ? "once" : `${formatCount(fired.length)} times`}.`}
        </p>
      )}
      <ul className="mt-2 flex flex-col gap-1.5">
        {newest.slice(0, SHOWN).map((each) => (
          <li key={`${each.at} ${each.value} ${each.words}`}>
            {each.words}
            <span className="block text-[12px] text-faint">{formatMoment(each.at, tz)}</span>
          </li>
        ))}
      </ul>
      {newest.length > SHOWN ? (
        <p className="text-faint">and {formatCount(newest.length - SHOWN)} before</p>
      ) : null}
    </div>
  );
}
