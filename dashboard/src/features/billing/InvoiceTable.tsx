import type { ReactElement, ReactNode } from "react";
import { compareAmounts } from "@/shared/amount";
import type { InvoiceBrief } from "@/shared/api/types";
import { Amount } from "@/shared/ui/figures/Amount";
import { StatusChip } from "@/shared/ui/page/StatusChip";
import { byText, type Column, SortTable } from "@/shared/ui/tables/SortTable";

interface InvoiceTableProps {
  invoices: readonly InvoiceBrief[];
  open: (id: string) => void;
  /** Whose they are stands above the table. */
  ofOne?: boolean;
  empty: ReactNode;
}

/** Invoices: drafts first, then the newest. */
export function InvoiceTable({ invoices, open, ofOne = false, empty }: InvoiceTableProps): ReactElement {
  const columns: Column<InvoiceBrief>[] = [
    {
      id: "number",
      title: "Invoice",
      sort: byText(({ number, id }) => number ?? id),
      cell: (each) => (
        <button
          type="button"
          onClick={() => open(nameOf(each))}
          className="rounded font-medium whitespace-nowrap hover:underline"
        >
          {each.number ?? "Draft"}
          <span className="block font-normal md:hidden">
            <StatusChip status={each.status} />
          </span>
          {each.kind === "progressive" ? (
            <span className="ml-1 text-[12px] text-faint">at a threshold</span>
          ) : null}
        </button>
      ),
    },
    ...(ofOne
      ? []
      : [
          {
            id: "customer",
            title: "Customer",
            sort: byText<InvoiceBrief>(({ customer }) => customer),
            cell: ({ customer }: InvoiceBrief) => <span className="break-words">{customer}</span>,
          },
        ]),
    {
      id: "period",
      title: "Period",
      wide: true,
      sort: byText(({ first_day }) => first_day),
      cell: ({ first_day, last_day }) => (
        <span className="whitespace-nowrap text-soft">
          {first_day} – {last_day}
        </span>
      ),
    },
    {
      id: "status",
      title: "Status",
      wide: true,
      sort: byText(({ status }) => status),
      cell: ({ status }) => <StatusChip status={status} />,
    },
    {
      id: "total",
      title: "Total",
      right: true,
      sort: (a, b) => compareAmounts(a.total, b.total),
      cell: (each) => <Amount text={each.total} currency={each.currency} atLeast={each.unpriced_calls > 0} />,
    },
    {
      id: "due",
      title: "Due",
      right: true,
      sort: (a, b) => compareAmounts(a.due, b.due),
      cell: (each) => <Amount text={each.due} currency={each.currency} atLeast={each.unpriced_calls > 0} />,
    },
    {
      id: "issued",
      title: "Issued",
      wide: true,
      right: true,
      sort: byText(({ issued_at }) => issued_at ?? "9"),
      cell: ({ issued_at }) => (
        <span className="whitespace-nowrap text-soft">{issued_at?.slice(0, 10) ?? "not yet"}</span>
      ),
    },
  ];
  return (
    <SortTable
      caption="Invoices"
      rows={invoices}
      columns={columns}
      keyOf={({ id }) => id}
      open={(each) => open(nameOf(each))}
      orderName="invoices-sort"
      empty={empty}
    />
  );
}

function nameOf({ number, id }: InvoiceBrief): string {
  return number ?? id;
}
