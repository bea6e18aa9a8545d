import type { ReactElement } from "react";
import type { PlanState } from "@/shared/api/types";
import { formatCount } from "@/shared/format";
import { SideButton, TextButton } from "@/shared/ui/forms/buttons";
import { Empty } from "@/shared/ui/page/Empty";

interface PlanListProps {
  plans: readonly PlanState[];
  mayChange: boolean;
  open: (plan: string) => void;
  edit: (plan: PlanState) => void;
}

/** Plans as people say them: what is charged, in the order in which it applies. */
export function PlanList({ plans, mayChange, open, edit }: PlanListProps): ReactElement {
  if (plans.length === 0) {
    return (
      <Empty title="There is no plan yet" command="farebox plans apply plans.yaml --dry-run">
        A plan says what customers are charged. Without one, a markup in <code>pricing:</code> bills whoever
        has no subscription.
      </Empty>
    );
  }
  return (
    <ul className="grid gap-4 xl:grid-cols-2">
      {plans.map((plan) => (
        <li key={`${plan.name} ${plan.version}`} className="min-w-0 rounded-xl border border-line p-4">
          <PlanWords plan={plan} />
          <p className="mt-3 flex flex-wrap items-center gap-2">
            <TextButton onClick={() => open(plan.name)}>Versions</TextButton>
            {mayChange && plan.origin === "command" && !plan.retired ? (
              <SideButton onClick={() => edit(plan)}>Edit as YAML</SideButton>
            ) : null}
          </p>
        </li>
      ))}
    </ul>
  );
}

/** One version of a plan in words. */
export function PlanWords({ plan }: { plan: PlanState }): ReactElement {
  const currency = plan.currency ?? "the customer's currency";
  return (
    <div className="text-[13.5px]">
      <h3 className="flex flex-wrap items-baseline gap-x-2">
        <span className="text-[15px] font-semibold">{plan.name}</span>
        <span className="text-[12.5px] text-soft">
          version {plan.version} · every {plan.interval} · in {currency}
          {plan.retired ? " · retired" : ""}
        </span>
      </h3>
      <p className="text-[12.5px] text-faint">
        {plan.active_subscriptions === 1
          ? "1 customer"
          : `${formatCount(plan.active_subscriptions)} customers`}{" "}
        on it
        {plan.used
          ? " · frozen: an edit makes the next version"
          : " · not used yet: an edit stays this version"}
        {plan.origin === "command" ? "" : ` · in ${plan.origin}`}
      </p>
      {plan.words.length === 0 ? <p className="mt-2 text-warn">It charges nothing.</p> : null}
      <ol className="mt-2 flex flex-col gap-1.5">
        {plan.words.map((each) => (
          <li key={each.name}>
            <span className="font-medium">{each.name}</span>: {each.price}
            {each.conditions.length > 0 ? (
              <span className="block text-[12.5px] text-soft">{each.conditions.join(" · ")}</span>
            ) : null}
          </li>
        ))}
      </ol>
      <p className="mt-2 text-[12.5px] text-soft">{plan.conditions.join(" · ")}</p>
    </div>
  );
}
