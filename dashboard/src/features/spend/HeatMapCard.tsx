import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { HeatMap } from "@/shared/api/types";
import { formatCalls, formatCount } from "@/shared/format";
import { exactMoney, largest, permille } from "@/shared/money";
import type { Search } from "@/shared/search/search";
import { ViewSwitch } from "@/shared/ui/charts/ViewSwitch";
import { Money } from "@/shared/ui/figures/Money";
import { Card } from "@/shared/ui/page/Card";
import { Loaded } from "@/shared/ui/page/Loaded";
import { heatMapQuery } from "./queries";

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] as const;
const HOURS = Array.from({ length: 24 }, (_, hour) => hour);
const NAME = "Spend by hour and weekday";

/** When money is spent: a row for each weekday, a column for each hour of it. */
export function HeatMapCard({ search }: { search: Search }): ReactElement {
  const heatMap = useQuery(heatMapQuery(search));
  const [asTable, setAsTable] = useState(false);
  return (
    <Card title={NAME} aside={<ViewSwitch asTable={asTable} onChange={setAsTable} />}>
      <Loaded query={heatMap} skeleton={<div className="skeleton h-52" />}>
        {(data) => (asTable ? <AsTable data={data} /> : <AsMap data={data} />)}
      </Loaded>
    </Card>
  );
}

function AsMap({ data }: { data: HeatMap }): ReactElement {
  const top = largest(data.cost_pico);
  const [hovered, setHovered] = useState<number | null>(null);
  return (
    <>
      <div role="img" aria-label={NAME} className="grid grid-cols-[2rem_repeat(24,minmax(0,1fr))] gap-[2px]">
        {DAYS.map((day, weekday) => [
          <span key={day} className="pr-1 text-right text-[11px] leading-[1.35rem] text-soft">
            {day}
          </span>,
          ...HOURS.map((hour) => {
            const at = weekday * 24 + hour;
            const share = permille(data.cost_pico[at] ?? "0", top);
            // A little of something can be told from nothing.
            const weight = share === 0 && data.cost_pico[at] === "0" ? 0 : 8 + share * 0.092;
            return (
              <span
                key={at}
                onPointerEnter={() => setHovered(at)}
                onPointerLeave={() => setHovered(null)}
                className="h-[1.35rem] rounded-[3px]"
                style={{ background: `color-mix(in oklab, var(--s0) ${weight}%, var(--sunken))` }}
              />
            );
          }),
        ])}
        <span />
        {HOURS.map((hour) => (
          <span key={hour} className="overflow-visible text-[10.5px] whitespace-nowrap text-soft">
            {hour % 6 === 0 ? String(hour).padStart(2, "0") : ""}
          </span>
        ))}
      </div>
      <p className="mt-2 min-h-5 text-[12.5px] text-soft">
        {hovered === null ? (
          <>All weeks of the span together, in {data.span.tz}.</>
        ) : (
          <>
            {hourName(hovered)}:{" "}
            <Money pico={data.cost_pico[hovered] ?? "0"} atLeast={(data.unpriced_calls[hovered] ?? 0) > 0} />,{" "}
            {formatCalls(data.calls[hovered] ?? 0)}
          </>
        )}
      </p>
    </>
  );
}

function AsTable({ data }: { data: HeatMap }): ReactElement {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keys
    <div role="group" aria-label={`${NAME}, table`} tabIndex={0} className="h-60 overflow-auto">
      <table className="w-full text-[12.5px]">
        <caption className="sr-only">{NAME}</caption>
        <thead className="sticky top-0 bg-card text-soft">
          <tr>
            <th className="py-1 text-left font-medium">Hour</th>
            {DAYS.map((day) => (
              <th key={day} className="py-1 pl-3 text-right font-medium">
                {day}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {HOURS.map((hour) => (
            <tr key={hour} className="border-t border-line">
              <th className="py-1 text-left font-normal">{String(hour).padStart(2, "0")}:00</th>
              {DAYS.map((day, weekday) => {
                const at = weekday * 24 + hour;
                const pico = data.cost_pico[at] ?? "0";
                return (
                  <td
                    key={day}
                    className="py-1 pl-3 text-right whitespace-nowrap"
                    title={`${exactMoney(pico)}, ${formatCount(data.calls[at] ?? 0)} calls`}
                  >
                    {data.calls[at] === 0 ? (
                      <span className="text-faint">·</span>
                    ) : (
                      <Money pico={pico} atLeast={(data.unpriced_calls[at] ?? 0) > 0} />
                    )}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function hourName(at: number): string {
  const hour = at % 24;
  const clock = (value: number): string => `${String(value % 24).padStart(2, "0")}:00`;
  return `${DAYS[Math.floor(at / 24)]} ${clock(hour)}–${clock(hour + 1)}`;
}
