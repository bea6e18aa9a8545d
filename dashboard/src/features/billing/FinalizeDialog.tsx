import { type ReactElement, useState } from "react";
import { DOCUMENTS, INVOICES, WALLETS } from "@/shared/api/billing-queries";
import type { DocumentShown } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { Confirm } from "@/shared/ui/dialogs/Modal";
import { Check } from "@/shared/ui/forms/fields";
import { finalizeDraft } from "./changes";

interface FinalizeDialogProps {
  document: DocumentShown;
  close: () => void;
  done: (number: string) => void;
}

/** Issue a draft now, grace period or not. */
export function FinalizeDialog({ document, close, done }: FinalizeDialogProps): ReactElement {
  const [accept, setAccept] = useState({ accept_gap: false, accept_unpriced: false });
  const finalize = useChange(finalizeDraft, [INVOICES, DOCUMENTS, WALLETS], ({ invoice }) => {
    close();
    done(invoice.number ?? invoice.id);
  });
  return (
    <Confirm
      title={`Issue the invoice of ${document.customer}?`}
      words={[
        `It is computed anew, gets the next number and is frozen: by now it comes to ${document.page.headline.text}.`,
        "The customer's wallet pays its part. After that it can be credited or voided, and not changed.",
      ]}
      deed="Issue the invoice"
      act={() => finalize.mutate({ draft: document.id, ...accept })}
      close={close}
      pending={finalize.isPending}
      error={finalize.error}
    >
      <div className="mt-4 flex flex-col gap-2">
        {document.unpriced_calls > 0 ? (
          <Check
            label="Bill it though calls have no price: amounts are too low, and the invoice says so"
            checked={accept.accept_unpriced}
            change={(accept_unpriced) => setAccept({ ...accept, accept_unpriced })}
          />
        ) : null}
        <Check
          label="Bill it even if the record lacks something of the period: the invoice says so"
          checked={accept.accept_gap}
          change={(accept_gap) => setAccept({ ...accept, accept_gap })}
        />
      </div>
    </Confirm>
  );
}
