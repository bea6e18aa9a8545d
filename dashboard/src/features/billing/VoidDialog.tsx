import { type ReactElement, useState } from "react";
import { DOCUMENTS, INVOICES, WALLETS } from "@/shared/api/billing-queries";
import type { DocumentShown } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { Confirm } from "@/shared/ui/dialogs/Modal";
import { TextField } from "@/shared/ui/forms/fields";
import { voidInvoice } from "./changes";

/** Void an invoice that should not have been issued. */
export function VoidDialog({
  document,
  close,
}: {
  document: DocumentShown;
  close: () => void;
}): ReactElement {
  const [reason, setReason] = useState("");
  const number = document.number ?? document.id;
  const change = useChange(voidInvoice, [INVOICES, DOCUMENTS, WALLETS], close);
  return (
    <Confirm
      title={`Void ${number}?`}
      words={[
        "It keeps its number, nothing of it is due, and what a wallet paid goes back. This cannot be taken back.",
        "The next run bills its period again.",
      ]}
      deed={`Void ${number}`}
      dangerous
      act={() => change.mutate({ invoice: number, reason })}
      close={close}
      pending={change.isPending}
      error={change.error}
      ready={reason.trim() !== ""}
    >
      <div className="mt-3">
        <TextField label="Why" value={reason} change={setReason} required />
      </div>
    </Confirm>
  );
}
