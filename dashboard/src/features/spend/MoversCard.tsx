import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Mover } from "@/shared/api/types";
import { formatCalls, formatCount, formatDay } from "@/shared/format";
import { largest, permille } from "@/shared/money";
import { BreakdownLink } from "@/shared/search/BreakdownLink";
import { type Dimension, isDimension, labelOf, type Search } from "@/shared/search/search";
import { Change, Money } from "@/shared/ui/figures/Money";
import { Card } from "@/shared/ui/page/Card";
import { useKeyLabels } from "@/shared/ui/page/KeyName";
import { Loaded } from "@/shared/ui/page/Loaded";
import { moversQuery } from "./queries";

interface MoversCardProps {
  search: Search;
  by: readonly Dimension[];
  onPick: (keys: Readonly<Record<string, string | null>>) => void;
}

const ROWS = 6;
const ROWS_MAX = 100;

/** What changed most against the span before: why the bill is higher, or lower. */
export function MoversCard({ search, by, onPick }: MoversCardProps): ReactElement {
  const [limit, setLimit] = useState(ROWS);
  const movers = useQuery(moversQuery(search, by, limit));
  return (
    <Card title="Biggest movers">
      <Loaded query={movers} skeleton={<div className="skeleton h-56" />}>
        {(data) => {
          const top = largest(data.movers.map(({ change_pico }) => change_pico.replace("-", "")));
          const [since, until] = [data.previous.since ?? "", data.previous.until].map((iso) =>
            formatDay(new Date(iso), data.span.tz),
          );
          return (
            <>
              <p className="-mt-3 mb-3 text-[12.5px] text-soft">
                <Change pico={data.total_change_pico} /> in all against{" "}
                {since === until ? since : `${since} – ${until}`}
              </p>
              <ul className="flex flex-col gap-1">
                {data.movers.map((mover) => (
                  <li key={JSON.stringify(mover.keys)}>
                    <Row mover={mover} top={top} onPick={() => onPick(mover.keys)} />
                  </li>
                ))}
                {data.rest_groups > 0 ? (
                  <li className="-mx-2 flex items-baseline gap-3 rounded-lg px-2 py-1.5 text-[13.5px] hover:bg-sunken">
                    {limit === ROWS_MAX ? (
                      <BreakdownLink by={by} className="flex-1">
                        Everything else ({formatCount(data.rest_groups)})
                      </BreakdownLink>
                    ) : (
                      <button type="button" onClick={() => setLimit(ROWS_MAX)} className="flex-1 text-left">
                        Everything else ({formatCount(data.rest_groups)})
                      </button>
                    )}
                    <Change pico={data.rest_change_pico} />
                  </li>
                ) : null}
              </ul>
              {data.movers.length === 0 ? (
                <p className="py-6 text-center text-[13px] text-soft">
                  Nothing costs more or less than before.
                </p>
              ) : null}
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}

function Row({ mover, top, onPick }: { mover: Mover; top: string; onPick: () => void }): ReactElement {
  const isMore = !mover.change_pico.startsWith("-");
  const size = permille(mover.change_pico.replace("-", ""), top) / 20;
  return (
    <button
      type="button"
      onClick={onPick}
      title="Show only these calls"
      className="group -mx-2 block w-[calc(100%+1rem)] rounded-lg px-2 py-1.5 text-left hover:bg-sunken"
    >
      <span className="flex items-baseline gap-3">
        <Name keys={mover.keys} />
        <span className="hidden text-[12px] whitespace-nowrap text-soft sm:inline">{story(mover)}</span>
        <span className="w-24 text-right text-[13.5px] font-medium">
          <Change pico={mover.change_pico} />
        </span>
      </span>
      <span className="mt-1.5 flex h-1" aria-hidden="true">
        <span className="flex w-1/2 justify-end">
          {isMore ? null : (
            <span className="rounded-l-full" style={{ width: `${size * 2}%`, background: "var(--s1)" }} />
          )}
        </span>
        <span className="flex w-1/2 border-l border-line">
          {isMore ? (
            <span className="rounded-r-full" style={{ width: `${size * 2}%`, background: "var(--s2)" }} />
          ) : null}
        </span>
      </span>
    </button>
  );
}

function Name({ keys }: { keys: Readonly<Record<string, string | null>> }): ReactElement {
  const labels = useKeyLabels();
  const [first = "", ...others] = Object.entries(keys).map(([name, value]) =>
    value === null || value === ""
      ? `no ${(isDimension(name) ? labelOf(name) : name).toLowerCase()}`
      : ((name === "key" ? labels[value] : undefined) ?? value),
  );
  return (
    <span className="min-w-0 flex-1 truncate text-[13.5px]">
      {first}
      {others.length > 0 ? <span className="text-soft"> in {others.join(", ")}</span> : null}
    </span>
  );
}

function story(mover: Mover): ReactElement | string {
  if (mover.before_calls === 0) return "new";
  if (mover.calls === 0) return `gone, was ${formatCalls(mover.before_calls)}`;
  return (
    <>
      was <Money pico={mover.before_pico} atLeast={!mover.complete} />
    </>
  );
}
