import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { DocumentSheet } from "@/features/billing/DocumentSheet";
import { SubscribeDialog, SubscriptionTable } from "@/features/plans/SubscriptionTable";
import { GrantDialog } from "@/features/wallets/GrantDialog";
import { WalletDetails } from "@/features/wallets/WalletDetails";
import { plansQuery, previewQuery, walletQuery } from "@/shared/api/billing-queries";
import type { CustomerState, DocumentShown } from "@/shared/api/types";
import { SideButton } from "@/shared/ui/forms/buttons";
import { Card } from "@/shared/ui/page/Card";
import { Loaded } from "@/shared/ui/page/Loaded";

/** What the running period comes to by now, rated as the invoice will be. */
export function ChargeSoFar({ customer }: { customer: string }): ReactElement {
  const preview = useQuery(previewQuery(customer));
  return (
    <Card
      title="Charge so far"
      aside={
        <SideButton disabled={preview.isFetching} onClick={() => void preview.refetch()}>
          {preview.isFetching ? "Rating…" : "Rate again"}
        </SideButton>
      }
    >
      <Loaded query={preview} skeleton={<div className="skeleton h-48" />}>
        {(found) =>
          typeof found === "string" ? (
            <p className="text-[13.5px] text-soft">{found}</p>
          ) : (
            <div className="flex flex-col gap-8">
              {runningFirst(found.documents).map((document) => (
                <DocumentSheet key={document.id} document={document} />
              ))}
              {found.unconsumed.length > 0 ? (
                <ul className="flex flex-col gap-1 text-[13px] text-warn">
                  {found.unconsumed.map((sentence) => (
                    <li key={sentence}>{sentence}</li>
                  ))}
                </ul>
              ) : null}
            </div>
          )
        }
      </Loaded>
    </Card>
  );
}

/** What runs now first; then ended periods that have no invoice yet. */
function runningFirst(documents: readonly DocumentShown[]): readonly DocumentShown[] {
  const runs = ({ status }: DocumentShown): boolean => status === "running";
  return [...documents.filter(runs), ...documents.filter((document) => !runs(document))];
}

interface CustomerCardProps {
  customer: CustomerState;
  mayChange: boolean;
}

/** The plans that a customer is on. */
export function Subscriptions({ customer, mayChange }: CustomerCardProps): ReactElement {
  const plans =
    useQuery(plansQuery)
      .data?.plans.filter(({ retired }) => !retired)
      .map(({ name }) => name) ?? [];
  const [adding, setAdding] = useState(false);
  return (
    <Card
      title="Plan and subscription"
      aside={
        mayChange && plans.length > 0 ? (
          <SideButton onClick={() => setAdding(true)}>Subscribe…</SideButton>
        ) : null
      }
    >
      <SubscriptionTable subscriptions={customer.subscriptions} plans={plans} mayChange={mayChange} />
      {adding ? (
        <SubscribeDialog customer={customer.id} customers={[]} plans={plans} close={() => setAdding(false)} />
      ) : null}
    </Card>
  );
}

/** A customer's wallet, or how to begin one. */
export function Wallet({ customer, mayChange }: { customer: string; mayChange: boolean }): ReactElement {
  const wallet = useQuery(walletQuery(customer));
  const [granting, setGranting] = useState(false);
  return (
    <Card title="Wallet">
      <Loaded query={wallet} skeleton={<div className="skeleton h-24" />}>
        {(found) =>
          found === null ? (
            <div className="flex flex-col items-start gap-3 text-[13px] text-soft">
              <p>It has no wallet. Money granted to one pays its invoices as they are issued.</p>
              {mayChange ? <SideButton onClick={() => setGranting(true)}>Grant…</SideButton> : null}
            </div>
          ) : (
            <WalletDetails found={found} mayChange={mayChange} />
          )
        }
      </Loaded>
      {granting ? <GrantDialog customer={customer} customers={[]} close={() => setGranting(false)} /> : null}
    </Card>
  );
}
