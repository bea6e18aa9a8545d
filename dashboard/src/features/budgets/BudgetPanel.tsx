import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { BudgetState } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { formatCalls, formatCount } from "@/shared/format";
import { BreakdownLink } from "@/shared/search/BreakdownLink";
import { isDimension } from "@/shared/search/search";
import { Confirm } from "@/shared/ui/dialogs/Modal";
import { Facts, SidePanel } from "@/shared/ui/dialogs/SidePanel";
import { Money } from "@/shared/ui/figures/Money";
import { DangerButton, SideButton } from "@/shared/ui/forms/buttons";
import { Loaded } from "@/shared/ui/page/Loaded";
import { LimitMeter } from "./BudgetTable";
import { policyWords, whoseWords } from "./budget-words";
import { BUDGETS, budgetQuery, removeBudget, simulationQuery } from "./queries";
import { SimulationFound } from "./SimulationFound";

interface BudgetPanelProps {
  name: string;
  tz: string;
  mayChange: boolean;
  edit: (budget: BudgetState) => void;
  close: () => void;
}

/** One budget: what it does at its limit, whom it would have hurt, and each value of `each`. */
export function BudgetPanel({ name, tz, mayChange, edit, close }: BudgetPanelProps): ReactElement {
  const budget = useQuery(budgetQuery(name));
  const simulation = useQuery(simulationQuery(name, tz));
  const [removing, setRemoving] = useState(false);
  const remove = useChange(removeBudget, [BUDGETS], close);
  return (
    <SidePanel title={name} close={close}>
      <Loaded query={budget} skeleton={<div className="skeleton h-64" />}>
        {(found) => (
          <div className="flex flex-col gap-5 text-[13px]">
            <Facts
              rows={[
                ["For", whoseWords(found.where)],
                ["Each", found.each],
                ["Exempt", found.exempt.join(", ")],
                [
                  "Measures",
                  found.measure === "price" ? "what customers are charged" : "what providers charge",
                ],
                ["Set by", found.origin === "command" ? "command or API" : found.origin],
                ["Counts", callsOf(found)],
              ]}
            />
            <section>
              <h3 className="font-medium">At the limit</h3>
              <ul className="mt-1 flex list-disc flex-col gap-1 pl-4 text-soft">
                {policyWords(found).map((sentence) => (
                  <li key={sentence}>{sentence}</li>
                ))}
                <li>It {found.overshoot}.</li>
              </ul>
            </section>
            {found.each ? <Values budget={found} /> : null}
            <section>
              <h3 className="font-medium">The last 30 days</h3>
              <Loaded query={simulation} skeleton={<div className="skeleton mt-2 h-10" />}>
                {(outcome) => <SimulationFound found={outcome} tz={tz} />}
              </Loaded>
            </section>
            {mayChange ? (
              found.origin === "command" ? (
                <div className="flex gap-2">
                  <SideButton onClick={() => edit(found)}>Edit</SideButton>
                  <DangerButton onClick={() => setRemoving(true)}>Remove</DangerButton>
                </div>
              ) : (
                <p className="text-soft">
                  It stands in <span className="font-mono text-[12px]">{found.origin}</span>: change it there.
                </p>
              )
            ) : null}
          </div>
        )}
      </Loaded>
      {removing ? (
        <Confirm
          title={`Remove ${name}?`}
          words={["Calls are not limited by it from then on. What was spent stays in the record."]}
          deed="Remove the budget"
          dangerous
          act={() => remove.mutate(name)}
          close={() => setRemoving(false)}
          pending={remove.isPending}
          error={remove.error}
        />
      ) : null}
    </SidePanel>
  );
}

function callsOf(budget: BudgetState): ReactElement | null {
  if (budget.calls === null) return null;
  const single = Object.entries(budget.where).every(([name]) => name !== "process");
  const words = formatCalls(budget.calls);
  const unpriced = budget.unpriced_calls ?? 0;
  return (
    <span>
      {single ? (
        <Link
          to={"/explorer" as never}
          search={{ ...filters(budget), since: budget.since?.slice(0, 16) } as never}
          className="text-accent underline underline-offset-4"
        >
          {words}
        </Link>
      ) : (
        words
      )}
      {unpriced > 0 ? <span className="text-warn"> · {formatCalls(unpriced)} unpriced</span> : null}
    </span>
  );
}

/** The calls it is for as filters of an address; a pattern cannot be one. */
function filters(budget: BudgetState): Record<string, string> {
  return Object.fromEntries(
    Object.entries(budget.where)
      .filter(([, values]) => values.every((value) => !value.includes("*")))
      .map(([name, values]) => [
        name === "model" ? "plan_model" : name,
        values.map((value) => value.replaceAll(",", "\\,")).join(","),
      ]),
  );
}

function Values({ budget }: { budget: BudgetState }): ReactElement {
  return (
    <section>
      <h3 className="font-medium">Each {budget.each}</h3>
      {budget.values.length === 0 ? <p className="mt-1 text-soft">None has spent anything yet.</p> : null}
      <ul className="mt-1 flex flex-col gap-2">
        {budget.values.map((each) => (
          <li key={each.value}>
            <span className="flex items-baseline gap-3">
              <span className="min-w-0 flex-1 truncate" title={each.value}>
                {each.value}
              </span>
              <span className="text-[12px] text-faint">{formatCalls(each.calls)}</span>
              <Money pico={each.figures.spent_pico} atLeast={each.unpriced_calls > 0} />
            </span>
            <LimitMeter figures={each.figures} limit={budget.limit_pico} />
          </li>
        ))}
      </ul>
      {budget.more_values > 0 ? (
        <p className="mt-1 text-faint">
          {isDimension(budget.each ?? "") ? (
            <BreakdownLink
              by={[budget.each ?? ""]}
              where={{ ...filters(budget), since: budget.since?.slice(0, 16) ?? "all" }}
            >
              and {formatCount(budget.more_values)} more
            </BreakdownLink>
          ) : (
            `and ${formatCount(budget.more_values)} more`
          )}
        </p>
      ) : null}
    </section>
  );
}
