import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { PriceRowView } from "@/shared/api/types";
import { words } from "@/shared/format";
import { SidePanel } from "@/shared/ui/dialogs/SidePanel";
import { SideButton } from "@/shared/ui/forms/buttons";
import { Loaded } from "@/shared/ui/page/Loaded";
import { PriceDialog } from "./PriceDialog";
import { conditionsOf, priceOf, sourceOf } from "./price-words";
import { historyQuery } from "./queries";

interface HistoryPanelProps {
  /** `provider/model`. */
  name: string;
  mayChange: boolean;
  close: () => void;
}

/** Every price that a model ever had, the one in force first: rows are added and never edited. */
export function HistoryPanel({ name, mayChange, close }: HistoryPanelProps): ReactElement {
  const slash = name.indexOf("/");
  const history = useQuery(historyQuery(name.slice(0, slash), name.slice(slash + 1)));
  const [pricing, setPricing] = useState(false);
  return (
    <SidePanel title={name} close={close}>
      <Loaded query={history} skeleton={<div className="skeleton h-48" />}>
        {({ prices }) =>
          prices.length === 0 ? (
            <p className="text-[13px] text-soft">
              No price is known. Calls with it are recorded as unpriced.
            </p>
          ) : (
            <div className="flex flex-col gap-4">
              {unitsOf(prices).map(([unit, rows]) => (
                <section key={unit} aria-label={words(unit)}>
                  <h3 className="text-[13px] font-semibold">{words(unit)}</h3>
                  <ul className="mt-1 border-t border-line text-[13px]">
                    {rows.map((row) => (
                      <li
                        key={`${row.price_id} ${conditionsOf(row)}`}
                        className={`border-b border-line py-1.5 ${row.in_force ? "" : "text-faint"}`}
                      >
                        <p className="flex justify-between gap-3">
                          <span className={row.in_force ? "font-medium" : ""}>{priceOf(row)}</span>
                          <span>{row.effective_from ?? "the beginning"}</span>
                        </p>
                        <p className="text-[12px] text-soft" title={row.price_id}>
                          {[sourceOf(row), conditionsOf(row), row.in_force ? "" : "not in force"]
                            .filter((part) => part !== "")
                            .join(" · ")}
                        </p>
                      </li>
                    ))}
                  </ul>
                </section>
              ))}
            </div>
          )
        }
      </Loaded>
      {mayChange ? (
        <SideButton className="mt-4" onClick={() => setPricing(true)}>
          Set your own price
        </SideButton>
      ) : null}
      {pricing ? <PriceDialog model={name} missing={[]} from="" close={() => setPricing(false)} /> : null}
    </SidePanel>
  );
}

/** Prices by their unit, the newest first. */
function unitsOf(prices: readonly PriceRowView[]): [string, PriceRowView[]][] {
  const found = new Map<string, PriceRowView[]>();
  for (const row of prices) found.set(row.unit, [row, ...(found.get(row.unit) ?? [])]);
  return [...found];
}
