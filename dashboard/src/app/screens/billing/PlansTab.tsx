import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { ApplyDialog, TEMPLATE } from "@/features/plans/ApplyDialog";
import { PlanList } from "@/features/plans/PlanList";
import { PlanPanel } from "@/features/plans/PlanPanel";
import { SubscribeDialog, SubscriptionTable } from "@/features/plans/SubscriptionTable";
import { customersQuery, plansQuery, subscriptionsQuery } from "@/shared/api/billing-queries";
import { useAddress } from "@/shared/search/use-address";
import { MainButton } from "@/shared/ui/buttons";
import { Card } from "@/shared/ui/Card";
import { Loaded } from "@/shared/ui/Loaded";
import { Problems } from "@/shared/ui/Problems";
import { WithPanel } from "@/shared/ui/SidePanel";
import { useOpenCustomer } from "../use-open-customer";

/** Plans in words, their versions, and YAML to change them. */
export function PlansTab({ mayChange }: { mayChange: boolean }): ReactElement {
  const [{ plan: opened }, change] = useAddress();
  const plans = useQuery(plansQuery);
  const [writing, setWriting] = useState<{ title: string; text: string } | null>(null);
  const edit = (plan: { name: string; written: string }): void =>
    setWriting({ title: `Edit ${plan.name}`, text: plan.written });
  return (
    <>
      <WithPanel
        panel={
          opened ? (
            <PlanPanel
              key={opened}
              name={opened}
              mayChange={mayChange}
              edit={edit}
              close={() => change({ plan: undefined })}
            />
          ) : null
        }
      >
        <Card
          title="Plans"
          aside={
            mayChange ? (
              <MainButton
                onClick={() =>
                  setWriting({ title: "Apply YAML", text: plans.data?.plans.length ? "" : TEMPLATE })
                }
              >
                Apply YAML…
              </MainButton>
            ) : null
          }
        >
          <Loaded query={plans} skeleton={<div className="skeleton h-48" />}>
            {(found) => (
              <>
                <Problems problems={found.problems} />
                <PlanList
                  plans={found.plans}
                  mayChange={mayChange}
                  open={(plan) => change({ plan })}
                  edit={edit}
                />
              </>
            )}
          </Loaded>
        </Card>
      </WithPanel>
      {writing ? (
        <ApplyDialog title={writing.title} start={writing.text} close={() => setWriting(null)} />
      ) : null}
    </>
  );
}

/** Who is on which plan. */
export function SubscriptionsTab({ mayChange }: { mayChange: boolean }): ReactElement {
  const subscriptions = useQuery(subscriptionsQuery);
  const plans =
    useQuery(plansQuery)
      .data?.plans.filter(({ retired }) => !retired)
      .map(({ name }) => name) ?? [];
  const customers = useQuery(customersQuery).data?.customers.map(({ id }) => id) ?? [];
  const [adding, setAdding] = useState(false);
  const openCustomer = useOpenCustomer();
  return (
    <Card
      title="Subscriptions"
      aside={
        mayChange && plans.length > 0 && customers.length > 0 ? (
          <MainButton onClick={() => setAdding(true)}>New subscription</MainButton>
        ) : null
      }
    >
      <Loaded query={subscriptions} skeleton={<div className="skeleton h-48" />}>
        {(found) => (
          <>
            <Problems problems={found.problems} />
            <SubscriptionTable
              subscriptions={found.subscriptions}
              plans={plans}
              mayChange={mayChange}
              openCustomer={openCustomer}
            />
          </>
        )}
      </Loaded>
      {adding ? <SubscribeDialog customers={customers} plans={plans} close={() => setAdding(false)} /> : null}
    </Card>
  );
}
