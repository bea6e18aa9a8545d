import type { ReactElement } from "react";
import { DocumentCard } from "@/features/billing/DocumentCard";
import { useMayChange } from "@/shared/api/role";
import { useAddress } from "@/shared/search/use-address";
import { Tabs, useTab } from "@/shared/ui/page/Tabs";
import { InvoicesTab, NotesTab } from "./billing/InvoicesTab";
import { PlansTab, SubscriptionsTab } from "./billing/PlansTab";
import { AddOnsTab, CouponsTab, PayeesTab, WalletsTab } from "./billing/WalletsTab";

const TABS = [
  ["invoices", "Invoices"],
  ["notes", "Credit notes"],
  ["plans", "Plans"],
  ["subscriptions", "Subscriptions"],
  ["wallets", "Wallets"],
  ["coupons", "Coupons"],
  ["add-ons", "Add-ons"],
  ["payees", "Payees"],
] as const;

/** What customers are charged, and the documents that say so. */
export default function BillingScreen(): ReactElement {
  const tab = useTab(TABS);
  const mayChange = useMayChange();
  const [{ invoice, line }, change] = useAddress();
  const documents = tab === "invoices" || tab === "notes";
  return (
    <div className="flex flex-col gap-5">
      <Tabs label="Billing" tabs={TABS} clears={["invoice", "line", "plan", "wallet", "payee", "month"]} />
      {documents && invoice ? (
        <DocumentCard
          key={invoice}
          id={invoice}
          line={line}
          mayChange={mayChange}
          open={(id) => change({ invoice: id, line: undefined })}
          openLine={(id) => change({ line: id })}
          close={() => change({ invoice: undefined, line: undefined })}
        />
      ) : (
        <Tab tab={tab} mayChange={mayChange} />
      )}
    </div>
  );
}

function Tab({ tab, mayChange }: { tab: string; mayChange: boolean }): ReactElement {
  switch (tab) {
    case "notes":
      return <NotesTab />;
    case "plans":
      return <PlansTab mayChange={mayChange} />;
    case "subscriptions":
      return <SubscriptionsTab mayChange={mayChange} />;
    case "wallets":
      return <WalletsTab mayChange={mayChange} />;
    case "coupons":
      return <CouponsTab mayChange={mayChange} />;
    case "add-ons":
      return <AddOnsTab mayChange={mayChange} />;
    case "payees":
      return <PayeesTab />;
    default:
      return <InvoicesTab mayChange={mayChange} />;
  }
}
