import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { AddOnDialog, AddOnTable } from "@/features/wallets/AddOnTable";
import { CouponDialog, CouponTable } from "@/features/wallets/CouponTable";
import { payeesQuery } from "@/features/wallets/changes";
import { GrantDialog } from "@/features/wallets/GrantDialog";
import { PayeePanel, PayeeTable } from "@/features/wallets/PayeeTable";
import { WalletDetails } from "@/features/wallets/WalletDetails";
import { WalletTable } from "@/features/wallets/WalletTable";
import {
  addOnsQuery,
  couponsQuery,
  customersQuery,
  walletQuery,
  walletsQuery,
} from "@/shared/api/billing-queries";
import { address } from "@/shared/api/client";
import { zoneOf } from "@/shared/search/search";
import { useAddress } from "@/shared/search/use-address";
import { useSearch } from "@/shared/search/use-search";
import { SidePanel } from "@/shared/ui/dialogs/SidePanel";
import { MainButton } from "@/shared/ui/forms/buttons";
import { ListCard } from "@/shared/ui/page/ListCard";
import { Loaded } from "@/shared/ui/page/Loaded";
import { useOpenCustomer } from "../use-open-customer";

function useCustomerNames(): string[] {
  return useQuery(customersQuery).data?.customers.map(({ id }) => id) ?? [];
}

/** Prepaid money. */
export function WalletsTab({ mayChange }: { mayChange: boolean }): ReactElement {
  const [{ wallet: opened }, change] = useAddress();
  const wallets = useQuery(walletsQuery);
  const customers = useCustomerNames();
  const [granting, setGranting] = useState(false);
  return (
    <ListCard
      title="Wallets"
      query={wallets}
      exported={{ what: "wallets", href: (format) => address("wallets", { format }) }}
      add={
        mayChange && customers.length > 0 ? (
          <MainButton onClick={() => setGranting(true)}>Grant…</MainButton>
        ) : null
      }
      panel={
        opened ? (
          <WalletPanel
            key={opened}
            customer={opened}
            mayChange={mayChange}
            close={() => change({ wallet: undefined })}
          />
        ) : null
      }
      dialogs={granting ? <GrantDialog customers={customers} close={() => setGranting(false)} /> : null}
    >
      {(found) => (
        <WalletTable wallets={found.wallets} opened={opened} open={(wallet) => change({ wallet })} />
      )}
    </ListCard>
  );
}

interface WalletPanelProps {
  customer: string;
  mayChange: boolean;
  close: () => void;
}

function WalletPanel({ customer, mayChange, close }: WalletPanelProps): ReactElement {
  const wallet = useQuery(walletQuery(customer));
  return (
    <SidePanel title={`Wallet of ${customer}`} close={close}>
      <Loaded query={wallet} skeleton={<div className="skeleton h-48" />}>
        {(found) =>
          found === null ? (
            <p className="text-[13px] text-soft">{customer} has no wallet.</p>
          ) : (
            <WalletDetails found={found} mayChange={mayChange} />
          )
        }
      </Loaded>
    </SidePanel>
  );
}

/** Discounts. */
export function CouponsTab({ mayChange }: { mayChange: boolean }): ReactElement {
  const coupons = useQuery(couponsQuery());
  const customers = useCustomerNames();
  const [giving, setGiving] = useState(false);
  const openCustomer = useOpenCustomer();
  return (
    <ListCard
      title="Coupons"
      query={coupons}
      exported={{ what: "coupons", href: (format) => address("coupons", { format }) }}
      add={
        mayChange && customers.length > 0 ? (
          <MainButton onClick={() => setGiving(true)}>New coupon</MainButton>
        ) : null
      }
      dialogs={giving ? <CouponDialog customers={customers} close={() => setGiving(false)} /> : null}
    >
      {(found) => <CouponTable coupons={found.coupons} mayChange={mayChange} openCustomer={openCustomer} />}
    </ListCard>
  );
}

/** What is charged beside usage. */
export function AddOnsTab({ mayChange }: { mayChange: boolean }): ReactElement {
  const addOns = useQuery(addOnsQuery);
  const customers = useCustomerNames();
  const [giving, setGiving] = useState(false);
  const openCustomer = useOpenCustomer();
  return (
    <ListCard
      title="Add-ons"
      query={addOns}
      exported={{ what: "add-ons", href: (format) => address("add-ons", { format }) }}
      add={
        mayChange && customers.length > 0 ? (
          <MainButton onClick={() => setGiving(true)}>New add-on</MainButton>
        ) : null
      }
      dialogs={giving ? <AddOnDialog customers={customers} close={() => setGiving(false)} /> : null}
    >
      {(found) => <AddOnTable addOns={found.add_ons} mayChange={mayChange} openCustomer={openCustomer} />}
    </ListCard>
  );
}

/** Shares of what customers pay. */
export function PayeesTab(): ReactElement {
  const [{ payee: opened }, change] = useAddress();
  const tz = zoneOf(useSearch().search);
  const payees = useQuery(payeesQuery);
  return (
    <ListCard
      title="Payees"
      query={payees}
      exported={{ what: "payees", href: (format) => address("payees", { format }) }}
      panel={
        opened ? (
          <PayeePanel key={opened} payee={opened} tz={tz} close={() => change({ payee: undefined })} />
        ) : null
      }
    >
      {(found) => <PayeeTable payees={found.payees} opened={opened} open={(payee) => change({ payee })} />}
    </ListCard>
  );
}
