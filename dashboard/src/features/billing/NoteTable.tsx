import type { ReactElement } from "react";
import { compareAmounts } from "@/shared/amount";
import type { CreditNoteBrief } from "@/shared/api/types";
import { Amount } from "@/shared/ui/figures/Amount";
import { TextButton } from "@/shared/ui/forms/buttons";
import { Empty } from "@/shared/ui/page/Empty";
import { byText, type Column, SortTable } from "@/shared/ui/tables/SortTable";

/** What was given back of invoices. */
export function NoteTable({
  notes,
  open,
}: {
  notes: readonly CreditNoteBrief[];
  open: (id: string) => void;
}): ReactElement {
  const columns: Column<CreditNoteBrief>[] = [
    {
      id: "number",
      title: "Credit note",
      sort: byText(({ number }) => number),
      cell: ({ number }) => (
        <button
          type="button"
          onClick={() => open(number)}
          className="rounded font-medium whitespace-nowrap hover:underline"
        >
          {number}
        </button>
      ),
    },
    {
      id: "invoice",
      title: "Of invoice",
      sort: byText(({ invoice }) => invoice),
      cell: ({ invoice }) => <TextButton onClick={() => open(invoice)}>{invoice}</TextButton>,
    },
    {
      id: "customer",
      title: "Customer",
      sort: byText(({ customer }) => customer),
      cell: ({ customer }) => customer,
    },
    { id: "reason", title: "Why", wide: true, cell: ({ reason }) => reason },
    {
      id: "total",
      title: "Credited",
      right: true,
      sort: (a, b) => compareAmounts(a.total, b.total),
      cell: ({ total, currency }) => <Amount text={total} currency={currency} />,
    },
    {
      id: "issued",
      title: "Issued",
      right: true,
      wide: true,
      sort: byText(({ issued_at }) => issued_at),
      cell: ({ issued_at }) => <span className="whitespace-nowrap text-soft">{issued_at.slice(0, 10)}</span>,
    },
  ];
  return (
    <SortTable
      caption="Credit notes"
      rows={notes}
      columns={columns}
      keyOf={({ id }) => id}
      open={({ number }) => open(number)}
      orderName="notes-sort"
      empty={
        <Empty title="No credit note">
          A credit note gives back some of a final invoice, which itself stays as it was issued. It is made on
          the invoice's page.
        </Empty>
      }
    />
  );
}
