import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { formatAmount } from "@/shared/amount";
import { Facts } from "@/shared/ui/dialogs/SidePanel";
import { SideButton, TextButton } from "@/shared/ui/forms/buttons";
import { Card } from "@/shared/ui/page/Card";
import { Empty } from "@/shared/ui/page/Empty";
import { ErrorNotice } from "@/shared/ui/page/ErrorNotice";
import { StatusChip } from "@/shared/ui/page/StatusChip";
import { DocumentLines } from "@/shared/ui/tables/DocumentLines";
import { Asked } from "./Asked";
import { Statements } from "./ChargesView";
import { ExactLines } from "./ExactLines";
import { save } from "./portal-api";
import { invoiceQuery, invoicesQuery } from "./portal-queries";
import type { PortalInvoice } from "./types";

/** What was issued; one opens with its lines. */
export function InvoicesView(): ReactElement {
  const invoices = useQuery(invoicesQuery);
  const [opened, setOpened] = useState<string | null>(null);
  return (
    <>
      <Card title="Invoices">
        <Asked query={invoices} height="h-40">
          {({ invoices: rows }) =>
            rows.length === 0 ? (
              <Empty title="No invoice yet">
                The first one shows here when it is issued, after the running period has ended.
              </Empty>
            ) : (
              <InvoiceTable rows={rows} opened={opened} open={setOpened} />
            )
          }
        </Asked>
      </Card>
      {opened !== null ? <Document number={opened} /> : null}
    </>
  );
}

interface InvoiceTableProps {
  rows: readonly PortalInvoice[];
  opened: string | null;
  open: (number: string) => void;
}

function InvoiceTable({ rows, opened, open }: InvoiceTableProps): ReactElement {
  return (
    <div className="-mx-5 overflow-x-auto px-5">
      <table className="w-full text-[13px]">
        <caption className="sr-only">Invoices and credit notes, the newest first</caption>
        <thead className="text-left text-[12.5px] text-soft">
          <tr>
            <th scope="col" className="py-1.5 font-medium">
              Number
            </th>
            <th scope="col" className="hidden py-1.5 pl-4 font-medium sm:table-cell">
              Period
            </th>
            <th scope="col" className="py-1.5 pl-4 text-right font-medium">
              Total
            </th>
            <th scope="col" className="py-1.5 pl-4 text-right font-medium">
              To pay
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr
              key={row.number}
              className={`border-t border-line align-baseline ${opened === row.number ? "bg-sunken" : ""}`}
            >
              <td className="py-1.5">
                <TextButton onClick={() => open(row.number)}>{row.number}</TextButton>
                {row.kind === "credit_note" ? (
                  <span className="block text-[12.5px] text-soft">Credit note of {row.of_invoice}</span>
                ) : null}
                {row.status === "void" ? <StatusChip status="void" /> : null}
              </td>
              <td className="hidden py-1.5 pl-4 whitespace-nowrap sm:table-cell">
                {row.kind === "credit_note" ? row.first_day : `${row.first_day} to ${row.last_day}`}
              </td>
              <td className="py-1.5 pl-4 text-right whitespace-nowrap">
                {formatAmount(row.total, row.currency)}
              </td>
              <td className="py-1.5 pl-4 text-right whitespace-nowrap">
                {formatAmount(row.due, row.currency)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Document({ number }: { number: string }): ReactElement {
  const document = useQuery(invoiceQuery(number));
  const saving = useMutation({
    mutationFn: (format: string) => save(`invoices/${encodeURIComponent(number)}`, { format }),
  });
  return (
    <Card
      title={number}
      aside={
        <span className="flex gap-2">
          <SideButton disabled={saving.isPending} onClick={() => saving.mutate("pdf")}>
            PDF
          </SideButton>
          <SideButton disabled={saving.isPending} onClick={() => saving.mutate("html")}>
            HTML
          </SideButton>
        </span>
      }
    >
      {saving.error ? <ErrorNotice error={saving.error} /> : null}
      <Asked query={document} height="h-64">
        {(found) => (
          <>
            <div className="flex flex-wrap items-start justify-between gap-4">
              <Facts rows={found.page.facts.map(({ label, text }) => [label, text] as const)} />
              <p className="sm:text-right">
                <span className="block text-[12.5px] text-soft">{found.page.headline.label}</span>
                <span className="text-[26px] leading-tight font-semibold tracking-[-0.02em]">
                  {found.page.headline.text}
                </span>
                {found.status === "void" ? (
                  <span className="block text-[12.5px] text-soft">It is void: nothing of it is due.</span>
                ) : (
                  <span className="block text-[12.5px] text-soft">
                    {formatAmount(found.due, found.currency)} to pay by now
                  </span>
                )}
              </p>
            </div>
            <DocumentLines page={found.page} />
            <Statements sentences={found.page.statements} />
            <ExactLines document={found} />
          </>
        )}
      </Asked>
    </Card>
  );
}
