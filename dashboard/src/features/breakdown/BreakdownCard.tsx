import { useQuery } from "@tanstack/react-query";
import { type ReactElement, type ReactNode, useState } from "react";
import { address } from "@/shared/api/client";
import { breakdownQuery } from "@/shared/api/queries";
import type { Sums } from "@/shared/api/types";
import { formatCalls, formatCount } from "@/shared/format";
import { permille } from "@/shared/money";
import { type Dimension, labelOf, oneValue, parametersOf, type Search } from "@/shared/search/search";
import { REST_COLOR, seriesColor } from "@/shared/ui/charts/colors";
import { Money } from "@/shared/ui/figures/Money";
import { DimensionSelect } from "@/shared/ui/forms/DimensionSelect";
import { Card } from "@/shared/ui/page/Card";
import { KeyName } from "@/shared/ui/page/KeyName";
import { Loaded } from "@/shared/ui/page/Loaded";
import { ExportMenu } from "@/shared/ui/tables/ExportMenu";

interface BreakdownCardProps {
  search: Search;
  by: Dimension;
  /** Colour the rows as the chart over the span does. */
  colored?: boolean;
  onPick: (dimension: Dimension, value: string) => void;
  /** Choose another dimension, where that can be. */
  onBy?: (dimension: Dimension) => void;
}

const ROWS = 6;
const ROWS_MAX = 200;

/** Spend by one dimension, highest first. The rows and the rest add up to the total. */
export function BreakdownCard(props: BreakdownCardProps): ReactElement {
  const { search, by, colored = false, onPick, onBy } = props;
  const [limit, setLimit] = useState(ROWS);
  const breakdown = useQuery(breakdownQuery(search, by, limit));
  const title = `Spend by ${labelOf(by).replace(/^[A-Z](?![A-Z])/, (first) => first.toLowerCase())}`;
  return (
    <Card
      title={title}
      aside={
        <span className="flex items-center gap-1">
          <ExportMenu
            what={title.replace("Spend", "spend")}
            href={(format) => address("breakdown", { ...parametersOf(search), by, format })}
          />
          {onBy ? (
            <DimensionSelect
              label="Spend by"
              search={search}
              value={by}
              onChange={(dimension) => {
                setLimit(ROWS);
                onBy(dimension);
              }}
            />
          ) : null}
        </span>
      }
    >
      <Loaded query={breakdown} skeleton={<Rows />}>
        {({ by: [answered = by], groups, rest, rest_groups, total }) => {
          const top = groups[0]?.sums.cost_pico ?? "0";
          const active = search[by];
          return (
            <ul className="flex max-h-[28rem] flex-col gap-1 overflow-x-hidden overflow-y-auto">
              {groups.map((group, index) => {
                const value = group.keys[answered] ?? "";
                const picked = active === oneValue(value);
                return (
                  <li key={value}>
                    <button
                      type="button"
                      aria-pressed={picked}
                      onClick={() => onPick(by, value)}
                      title={picked ? "Remove this filter" : `Show only ${value || nameOf(by, null)}`}
                      className="group -mx-2 block w-[calc(100%+1rem)] rounded-lg px-2 py-1.5 text-left hover:bg-sunken aria-pressed:bg-accent-soft"
                    >
                      <Row
                        label={
                          by === "key" && value !== "" ? (
                            <KeyName fingerprint={value} />
                          ) : (
                            nameOf(by, group.keys[answered] ?? null)
                          )
                        }
                        sums={group.sums}
                        color={colored ? seriesColor(index) : "var(--s0)"}
                        length={permille(group.sums.cost_pico, top)}
                        share={group.cost_share_permille}
                      />
                    </button>
                  </li>
                );
              })}
              {rest ? (
                <li>
                  <button
                    type="button"
                    disabled={limit === ROWS_MAX}
                    onClick={() => setLimit(ROWS_MAX)}
                    title={limit === ROWS_MAX ? "" : "Show what it consists of"}
                    className="group -mx-2 block w-[calc(100%+1rem)] rounded-lg px-2 py-1.5 text-left enabled:hover:bg-sunken"
                  >
                    <Row
                      label={`Everything else (${formatCount(rest_groups)})`}
                      sums={rest}
                      color={REST_COLOR}
                      length={permille(rest.cost_pico, largerOf(top, rest.cost_pico))}
                      share={permille(rest.cost_pico, total.cost_pico)}
                    />
                  </button>
                </li>
              ) : null}
              {groups.length === 0 ? (
                <li className="py-6 text-center text-[13px] text-soft">No calls in this span.</li>
              ) : null}
            </ul>
          );
        }}
      </Loaded>
    </Card>
  );
}

interface RowProps {
  label: ReactNode;
  sums: Sums;
  color: string;
  length: number;
  share: number;
}

function Row({ label, sums, color, length, share }: RowProps): ReactElement {
  return (
    <>
      <span className="flex items-baseline gap-3">
        <span className="min-w-0 flex-1 truncate text-[13.5px]">{label}</span>
        <span className="text-[12px] whitespace-nowrap text-soft">
          {sums.unpriced_calls > 0 ? (
            <span className="text-warn">{formatCount(sums.unpriced_calls)} unpriced</span>
          ) : (
            formatCalls(sums.calls)
          )}
        </span>
        <span className="w-20 text-right text-[13.5px] font-medium">
          {sums.unpriced_calls === sums.calls ? (
            <Money pico={null} />
          ) : (
            <Money pico={sums.cost_pico} atLeast={!sums.complete} />
          )}
        </span>
        <span className="w-9 text-right text-[12px] text-soft">{shareText(share, sums.cost_pico)}</span>
      </span>
      <span
        className="mt-1.5 block h-1 overflow-hidden rounded-full bg-sunken group-hover:bg-line"
        aria-hidden="true"
      >
        <span
          className="block h-full rounded-full"
          style={{ width: `${Math.min(length, 1000) / 10}%`, background: color }}
        />
      </span>
    </>
  );
}

function Rows(): ReactElement {
  return (
    <div aria-hidden="true" className="flex flex-col gap-4 pt-1">
      {[70, 55, 40, 30].map((width) => (
        <div key={width} className="skeleton h-5" style={{ width: `${width}%` }} />
      ))}
    </div>
  );
}

function nameOf(by: Dimension, value: string | null): string {
  if (value === null || value === "")
    return `No ${labelOf(by).replace(/^[A-Z](?![A-Z])/, (first) => first.toLowerCase())}`;
  return value;
}

function shareText(share: number, pico: string): string {
  if (pico === "0") return "0 %";
  return share < 10 ? "<1 %" : `${Math.round(share / 10)} %`;
}

function largerOf(a: string, b: string): string {
  return BigInt(a) > BigInt(b) ? a : b;
}
