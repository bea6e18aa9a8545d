import { type ReactElement, useState } from "react";
import { DOCUMENTS, INVOICES, WALLETS } from "@/shared/api/billing-queries";
import type { DocumentShown } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { Confirm } from "@/shared/ui/dialogs/Modal";
import { Amount } from "@/shared/ui/figures/Amount";
import { Check, TextField } from "@/shared/ui/forms/fields";
import { creditInvoice } from "./changes";

interface CreditDialogProps {
  document: DocumentShown;
  close: () => void;
  done: (number: string) => void;
}

/** Give back some of an invoice: everything that is left of it, or an amount a line. */
export function CreditDialog({ document, close, done }: CreditDialogProps): ReactElement {
  const [all, setAll] = useState(true);
  const [amounts, setAmounts] = useState<Record<string, string>>({});
  const [reason, setReason] = useState("");
  const number = document.number ?? document.id;
  const credit = useChange(creditInvoice, [INVOICES, DOCUMENTS, WALLETS], ({ credit_note: note }) => {
    close();
    done(note.number);
  });
  const lines = linesOf(document);
  const given = Object.fromEntries(Object.entries(amounts).filter(([, amount]) => amount.trim() !== ""));
  return (
    <Confirm
      title={`Credit note for ${number}`}
      words={[
        "The invoice stays as it was issued; what is due of it falls. A credit note cannot be taken back.",
        "Amounts are before tax: the tax that belongs to them is credited with them.",
      ]}
      deed="Issue the credit note"
      act={() => credit.mutate({ invoice: number, lines: all ? null : given, reason })}
      close={close}
      pending={credit.isPending}
      error={credit.error}
      ready={reason.trim() !== "" && (all || Object.keys(given).length > 0)}
    >
      <div className="mt-4 flex flex-col gap-2">
        <Check label="Everything that is left of it" checked={all} change={setAll} />
        {all
          ? null
          : lines.map(({ line, title, left }) => (
              <TextField
                key={line}
                label={title}
                value={amounts[line] ?? ""}
                change={(amount) => setAmounts({ ...amounts, [line]: amount })}
                placeholder="0.00"
                hint={
                  <>
                    up to <Amount text={left} currency={document.currency} />
                  </>
                }
              />
            ))}
        <TextField label="Why" value={reason} change={setReason} required />
      </div>
    </Confirm>
  );
}

/** The lines of which something can be credited, in their order. */
export function linesOf({
  page,
  creditable,
}: DocumentShown): { line: string; title: string; left: string }[] {
  return page.groups
    .flatMap(({ rows }) => rows)
    .flatMap(({ line, title }) => {
      const left = creditable[line];
      return left === undefined ? [] : [{ line, title, left }];
    });
}
