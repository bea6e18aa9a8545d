import type { ReactElement } from "react";
import { compareAmounts } from "@/shared/amount";
import type { WalletState } from "@/shared/api/types";
import { Amount } from "@/shared/ui/figures/Amount";
import { Empty } from "@/shared/ui/page/Empty";
import { byText, type Column, SortTable } from "@/shared/ui/tables/SortTable";

interface WalletTableProps {
  wallets: readonly WalletState[];
  opened: string | undefined;
  open: (customer: string) => void;
}

/** Prepaid and promotional money of every customer. */
export function WalletTable({ wallets, opened, open }: WalletTableProps): ReactElement {
  const columns: Column<WalletState>[] = [
    {
      id: "customer",
      title: "Customer",
      sort: byText(({ customer }) => customer),
      cell: ({ customer }) => (
        <button type="button" onClick={() => open(customer)} className="rounded font-medium hover:underline">
          {customer}
        </button>
      ),
    },
    {
      id: "balance",
      title: "Balance",
      right: true,
      sort: (a, b) => compareAmounts(a.balance, b.balance),
      cell: (each) => (
        <span>
          <Amount text={each.balance} currency={each.currency} />
          {each.low_since ? (
            <span className="block text-[12px] text-warn">low since {each.low_since.slice(0, 10)}</span>
          ) : null}
        </span>
      ),
    },
    {
      id: "usable",
      title: "Usable now",
      right: true,
      sort: (a, b) => compareAmounts(a.usable, b.usable),
      cell: (each) => <Amount text={each.usable} currency={each.currency} />,
    },
    {
      id: "overdraft",
      title: "May go below zero by",
      right: true,
      wide: true,
      cell: (each) => <Amount text={each.overdraft} currency={each.currency} />,
    },
    {
      id: "low",
      title: "Low below",
      right: true,
      wide: true,
      cell: (each) =>
        each.low === null ? (
          <span className="text-faint">–</span>
        ) : (
          <Amount text={each.low} currency={each.currency} />
        ),
    },
  ];
  return (
    <SortTable
      caption="Wallets"
      rows={wallets}
      columns={columns}
      keyOf={({ customer }) => customer}
      open={({ customer }) => open(customer)}
      opened={opened}
      orderName="wallets-sort"
      empty={
        <Empty title="No customer has a wallet" command="farebox wallets grant CUSTOMER 100.00">
          Prepaid or promotional money in a wallet pays an invoice when it is issued.
        </Empty>
      }
    />
  );
}
