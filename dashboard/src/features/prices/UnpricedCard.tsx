import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { address } from "@/shared/api/client";
import type { Rerating, UnpricedModel } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { formatCalls, formatCompact, formatCount } from "@/shared/format";
import { CallsLink } from "@/shared/search/CallsLink";
import { Confirm } from "@/shared/ui/dialogs/Modal";
import { Money } from "@/shared/ui/figures/Money";
import { MainButton, TextButton } from "@/shared/ui/forms/buttons";
import { Card } from "@/shared/ui/page/Card";
import { Loaded } from "@/shared/ui/page/Loaded";
import { PriceDialog } from "./PriceDialog";
import { PRICES, rerate, reratingQuery, unpricedQuery } from "./queries";

const CELL = "py-1.5 pl-4 whitespace-nowrap first:pl-0";
const ASKED: Readonly<Record<string, string>> = { input_uncached: "input", output_text: "output" };

/** Models that were called and have no price: give them one, see what it makes of their calls, apply it. */
export function UnpricedCard({ mayChange }: { mayChange: boolean }): ReactElement {
  const queue = useQuery(unpricedQuery);
  const preview = useQuery(reratingQuery);
  const [pricing, setPricing] = useState<UnpricedModel | null>(null);
  const [applying, setApplying] = useState(false);
  return (
    <Card
      title="Without a price"
      exported={{ what: "models without a price", href: (format) => address("prices/unpriced", { format }) }}
      aside={
        preview.data && preview.data.calls > 0 && mayChange ? (
          <MainButton onClick={() => setApplying(true)}>Apply the prices</MainButton>
        ) : null
      }
    >
      <Loaded query={queue} skeleton={<div className="skeleton h-24" />}>
        {({ models, at_least }) =>
          models.length === 0 ? (
            <p className="py-2 text-[13.5px] text-soft">Every call has a price.</p>
          ) : (
            <>
              <div className="-mx-5 overflow-x-auto px-5">
                <table className="w-full text-[13px]">
                  <caption className="sr-only">Models without a price</caption>
                  <thead className="text-left text-[12.5px] text-soft">
                    <tr>
                      <th scope="col" className="pb-2 font-medium">
                        Model
                      </th>
                      {["Calls", "Tokens in", "Tokens out"].map((title) => (
                        <th key={title} scope="col" className="pb-2 pl-4 text-right font-medium">
                          {title}
                        </th>
                      ))}
                      <th scope="col" className="pb-2 pl-4 font-medium">
                        No price for
                      </th>
                      <th scope="col" className="pb-2 pl-4 text-right font-medium">
                        At the present prices
                      </th>
                      <th scope="col" className="pb-2 pl-4" aria-label="Set a price" />
                    </tr>
                  </thead>
                  <tbody>
                    {[...models]
                      .sort((a, b) => b.calls - a.calls)
                      .map((found) => (
                        <tr key={`${found.provider}/${found.model}`} className="border-t border-line">
                          <th scope="row" className={`${CELL} max-w-64 truncate text-left font-medium`}>
                            {found.provider}/{found.model ?? "–"}
                          </th>
                          <td className={`${CELL} text-right`}>
                            <CallsLink
                              where={{ provider: found.provider, model: found.model }}
                              written={{ cost_state: "unpriced,unknown", since: "all" }}
                            >
                              {formatCount(found.calls)}
                            </CallsLink>
                          </td>
                          <td className={`${CELL} text-right`}>{formatCompact(found.input_tokens)}</td>
                          <td className={`${CELL} text-right`}>{formatCompact(found.output_tokens)}</td>
                          <td className={`${CELL} max-w-56 truncate`}>
                            {found.missing.join(", ") ||
                              (found.without_usage > 0 ? "nobody stated the usage" : "–")}
                          </td>
                          <td className={`${CELL} text-right`}>
                            {found.priceable_calls === 0 ? (
                              <span className="text-faint">·</span>
                            ) : (
                              <>
                                <Money pico={found.would_cost_pico} />{" "}
                                <span className="text-soft">of {formatCalls(found.priceable_calls)}</span>
                              </>
                            )}
                          </td>
                          <td className={`${CELL} text-right`}>
                            {mayChange && found.calls > found.without_usage ? (
                              <TextButton onClick={() => setPricing(found)}>Set a price</TextButton>
                            ) : null}
                          </td>
                        </tr>
                      ))}
                  </tbody>
                </table>
              </div>
              {at_least ? (
                <p className="mt-3 text-[12.5px] text-soft">The first 20,000 calls without a price.</p>
              ) : null}
            </>
          )
        }
      </Loaded>
      {preview.data && preview.data.calls > 0 ? <Waiting found={preview.data} /> : null}
      {pricing ? (
        <PriceDialog
          model={`${pricing.provider}/${pricing.model ?? ""}`}
          missing={pricing.missing.map((unit) => ASKED[unit] ?? unit)}
          from={pricing.first_at.slice(0, 10)}
          close={() => setPricing(null)}
        />
      ) : null}
      {applying && preview.data ? (
        <ApplyDialog found={preview.data} close={() => setApplying(false)} />
      ) : null}
    </Card>
  );
}

/** What applying the present prices changes. */
function Waiting({ found }: { found: Rerating }): ReactElement {
  return (
    <p className="mt-4 rounded-lg bg-accent-soft px-3 py-2 text-[13px] text-accent">
      {formatCalls(found.calls)}
      {found.at_least ? " or more" : ""} without a cost would cost{" "}
      <Money pico={found.cost_after_pico} atLeast={found.at_least} /> at the prices in force.
    </p>
  );
}

function ApplyDialog({ found, close }: { found: Rerating; close: () => void }): ReactElement {
  const apply = useChange(rerate, [PRICES, "spend", "calls"], (done) => {
    if (done.applied) close();
  });
  const late = apply.data !== undefined && !apply.data.applied;
  return (
    <Confirm
      title="Rate these calls again?"
      words={[
        `${formatCalls(found.calls)}${found.at_least ? " or more" : ""} get a cost by the prices in force. Calls that have one keep it.`,
        "Each correction is two more rows of the record; what a final invoice lacks is in the next one.",
        ...(late ? ["The ledger has not finished yet; it will. Close this and look again."] : []),
      ]}
      deed="Apply"
      act={() => apply.mutate(undefined)}
      close={close}
      pending={apply.isPending}
      error={apply.error}
    >
      <ul className="mt-3 flex max-h-56 flex-col gap-1 overflow-y-auto text-[13px]">
        {found.models.map((each) => (
          <li key={`${each.provider}/${each.model}`} className="flex justify-between gap-3">
            <span className="min-w-0 truncate" title={each.why.join("; ")}>
              {each.provider}/{each.model ?? "–"} · {formatCalls(each.calls)}
            </span>
            <span className="font-medium">
              <Money pico={each.cost_after_pico} atLeast={each.unpriced_after > 0} />
            </span>
          </li>
        ))}
      </ul>
    </Confirm>
  );
}
