import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { ApplyDialog, TEMPLATE } from "@/features/plans/ApplyDialog";
import { PlanList } from "@/features/plans/PlanList";
import { PlanPanel } from "@/features/plans/PlanPanel";
import { SubscribeDialog, SubscriptionTable } from "@/features/plans/SubscriptionTable";
import { customersQuery, plansQuery, subscriptionsQuery } from "@/shared/api/billing-queries";
import { address } from "@/shared/api/client";
import { useAddress } from "@/shared/search/use-address";
import { MainButton } from "@/shared/ui/forms/buttons";
import { ListCard } from "@/shared/ui/page/ListCard";
import { useOpenCustomer } from "../use-open-customer";

/** Plans in words, their versions, and YAML to change them. */
export function PlansTab({ mayChange }: { mayChange: boolean }): ReactElement {
  const [{ plan: opened }, change] = useAddress();
  const plans = useQuery(plansQuery);
  const [writing, setWriting] = useState<{ title: string; text: string } | null>(null);
  const edit = (plan: { name: string; written: string }): void =>
    setWriting({ title: `Edit ${plan.name}`, text: plan.written });
  return (
    <ListCard
      title="Plans"
      query={plans}
      exported={{ what: "plans", href: (format) => address("plans", { format }) }}
      add={
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
      dialogs={
        writing ? (
          <ApplyDialog title={writing.title} start={writing.text} close={() => setWriting(null)} />
        ) : null
      }
    >
      {(found) => (
        <PlanList plans={found.plans} mayChange={mayChange} open={(plan) => change({ plan })} edit={edit} />
      )}
    </ListCard>
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
    <ListCard
      title="Subscriptions"
      query={subscriptions}
      exported={{ what: "subscriptions", href: (format) => address("subscriptions", { format }) }}
      add={
        mayChange && plans.length > 0 && customers.length > 0 ? (
          <MainButton onClick={() => setAdding(true)}>New subscription</MainButton>
        ) : null
      }
      dialogs={
        adding ? <SubscribeDialog customers={customers} plans={plans} close={() => setAdding(false)} /> : null
      }
    >
      {(found) => (
        <SubscriptionTable
          subscriptions={found.subscriptions}
          plans={plans}
          mayChange={mayChange}
          openCustomer={openCustomer}
        />
      )}
    </ListCard>
  );
}
