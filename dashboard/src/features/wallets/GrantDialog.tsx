import { type ReactElement, useState } from "react";
import { WALLETS } from "@/shared/api/billing-queries";
import { useChange } from "@/shared/api/use-change";
import { Confirm } from "@/shared/ui/dialogs/Modal";
import { Choice, TextField } from "@/shared/ui/forms/fields";
import { type Granting, grantCredit } from "./changes";

interface GrantDialogProps {
  /** Whom it is for, where that is known. */
  customer?: string;
  customers: readonly string[];
  close: () => void;
}

/** Put money into a wallet. */
export function GrantDialog({ customer, customers, close }: GrantDialogProps): ReactElement {
  const [said, setSaid] = useState({
    customer: customer ?? "",
    amount: "",
    kind: "paid" as Granting["kind"],
    expires: "",
    note: "",
  });
  const grant = useChange(grantCredit, [WALLETS], close);
  return (
    <Confirm
      title={customer === undefined ? "Grant" : `Grant for ${customer}`}
      words={["It pays the customer's next invoices, as they are issued."]}
      deed="Grant it"
      act={() => grant.mutate({ ...said, expires: said.expires || null })}
      close={close}
      pending={grant.isPending}
      error={grant.error}
      ready={said.customer !== "" && said.amount.trim() !== ""}
    >
      <div className="mt-3 flex flex-col gap-1">
        {customer === undefined ? (
          <TextField
            label="Customer"
            value={said.customer}
            change={(name) => setSaid({ ...said, customer: name })}
            options={customers}
            required
          />
        ) : null}
        <TextField
          label="Amount, in the customer's currency"
          value={said.amount}
          change={(amount) => setSaid({ ...said, amount })}
          placeholder="100.00"
          required
        />
        <Choice
          label="Kind"
          value={said.kind}
          change={(kind) => setSaid({ ...said, kind: kind === "paid" ? "paid" : "promotional" })}
          choices={[
            ["paid", "Paid in advance"],
            ["promotional", "Promotional"],
          ]}
        />
        <TextField
          label="Expires"
          type="date"
          value={said.expires}
          change={(expires) => setSaid({ ...said, expires })}
          hint="Empty: never"
        />
        <TextField label="Note" value={said.note} change={(note) => setSaid({ ...said, note })} />
      </div>
    </Confirm>
  );
}
