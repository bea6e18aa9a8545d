import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { CouponDialog, CouponTable } from "@/features/wallets/CouponTable";
import { payeesQuery } from "@/features/wallets/changes";
import { GrantDialog } from "@/features/wallets/GrantDialog";
import { PayeePanel, PayeeTable } from "@/features/wallets/PayeeTable";
import { WalletDetails } from "@/features/wallets/WalletDetails";
import { WalletTable } from "@/features/wallets/WalletTable";
import { couponsQuery, customersQuery, walletQuery, walletsQuery } from "@/shared/api/billing-queries";
import { zoneOf } from "@/shared/search/search";
import { useAddress } from "@/shared/search/use-address";
import { useSearch } from "@/shared/search/use-search";
import { MainButton } from "@/shared/ui/buttons";
import { Card } from "@/shared/ui/Card";
import { Loaded } from "@/shared/ui/Loaded";
import { SidePanel, WithPanel } from "@/shared/ui/SidePanel";

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
    <WithPanel
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
    >
      <Card
        title="Wallets"
        aside={
          mayChange && customers.length > 0 ? (
            <MainButton onClick={() => setGranting(true)}>Grant…</MainButton>
          ) : null
        }
      >
        <Loaded query={wallets} skeleton={<div className="skeleton h-48" />}>
          {(found) => (
            <WalletTable wallets={found.wallets} opened={opened} open={(wallet) => change({ wallet })} />
          )}
        </Loaded>
        {granting ? <GrantDialog customers={customers} close={() => setGranting(false)} /> : null}
      </Card>
    </WithPanel>
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
  return (
    <Card
      title="Coupons"
      aside={
        mayChange && customers.length > 0 ? (
          <MainButton onClick={() => setGiving(true)}>New coupon</MainButton>
        ) : null
      }
    >
      <Loaded query={coupons} skeleton={<div className="skeleton h-32" />}>
        {(found) => <CouponTable coupons={found.coupons} mayChange={mayChange} />}
      </Loaded>
      {giving ? <CouponDialog customers={customers} close={() => setGiving(false)} /> : null}
    </Card>
  );
}

/** Shares of what customers pay. */
export function PayeesTab(): ReactElement {
  const [{ payee: opened }, change] = useAddress();
  const tz = zoneOf(useSearch().search);
  const payees = useQuery(payeesQuery);
  return (
    <WithPanel
      panel={
        opened ? (
          <PayeePanel key={opened} payee={opened} tz={tz} close={() => change({ payee: undefined })} />
        ) : null
      }
    >
      <Card title="Payees">
        <Loaded query={payees} skeleton={<div className="skeleton h-32" />}>
          {(found) => (
            <PayeeTable payees={found.payees} opened={opened} open={(payee) => change({ payee })} />
          )}
        </Loaded>
      </Card>
    </WithPanel>
  );
}
