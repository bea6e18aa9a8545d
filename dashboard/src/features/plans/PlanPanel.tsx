import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { planQuery, TERMS } from "@/shared/api/billing-queries";
import type { PlanState } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { Confirm } from "@/shared/ui/dialogs/Modal";
import { SidePanel } from "@/shared/ui/dialogs/SidePanel";
import { DangerButton, SideButton } from "@/shared/ui/forms/buttons";
import { Copyable } from "@/shared/ui/page/Copyable";
import { Loaded } from "@/shared/ui/page/Loaded";
import { retirePlan } from "./changes";
import { PlanWords } from "./PlanList";

interface PlanPanelProps {
  name: string;
  mayChange: boolean;
  edit: (plan: PlanState) => void;
  close: () => void;
}

/** All versions of a plan, and what each says. */
export function PlanPanel({ name, mayChange, edit, close }: PlanPanelProps): ReactElement {
  const versions = useQuery(planQuery(name));
  const [retiring, setRetiring] = useState(false);
  const retire = useChange(retirePlan, TERMS, close);
  return (
    <SidePanel title={`Plan ${name}`} close={close}>
      <Loaded query={versions} skeleton={<div className="skeleton h-64" />}>
        {({ plans }) => {
          const newest = plans[0];
          const own = newest?.origin === "command" && !newest.retired;
          return (
            <div className="flex flex-col gap-6">
              {mayChange && own ? (
                <div className="flex gap-2">
                  <SideButton onClick={() => edit(newest)}>Edit as YAML</SideButton>
                  <DangerButton onClick={() => setRetiring(true)}>Retire…</DangerButton>
                </div>
              ) : null}
              {plans.map((plan) => (
                <section key={plan.version} aria-label={`Version ${plan.version}`}>
                  <PlanWords plan={plan} />
                  <details className="mt-2 text-[13px]">
                    <summary className="cursor-pointer font-medium">As YAML</summary>
                    <div className="mt-2">
                      <Copyable text={plan.written.trimEnd()} label={`${plan.name} ${plan.version}`} />
                    </div>
                  </details>
                </section>
              ))}
            </div>
          );
        }}
      </Loaded>
      {retiring ? (
        <Confirm
          title={`Retire ${name}?`}
          words={["Nobody can be put on it any more. Customers who are on it stay."]}
          deed="Retire the plan"
          dangerous
          act={() => retire.mutate(name)}
          close={() => setRetiring(false)}
          pending={retire.isPending}
          error={retire.error}
        />
      ) : null}
    </SidePanel>
  );
}
