import { type ReactElement, useState } from "react";
import { ADD_ONS, DOCUMENTS } from "@/shared/api/billing-queries";
import type { AddOnRequest, AddOnState } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { Confirm } from "@/shared/ui/dialogs/Modal";
import { Choice, TextField } from "@/shared/ui/forms/fields";
import { Empty } from "@/shared/ui/page/Empty";
import { endAddOn, giveAddOn, previewAddOn } from "./changes";
import { GivenTable } from "./GivenTable";
import { TermEffects } from "./TermEffects";

interface AddOnTableProps {
  addOns: readonly AddOnState[];
  mayChange: boolean;
  openCustomer: (customer: string) => void;
}

/** What customers pay beside their usage. */
export function AddOnTable({ addOns, mayChange, openCustomer }: AddOnTableProps): ReactElement {
  return (
    <GivenTable
      caption="Add-ons"
      noun="add-on"
      rows={addOns}
      worth={{ id: "amount", title: "Costs", right: true, cell: costWords }}
      when={dueWords}
      state={({ ended_at, uses, invoices }) => ({
        status: ended_at !== null ? "ended" : invoices !== null && uses >= invoices ? "billed" : "active",
        uses: `on ${uses === 1 ? "1 invoice" : `${uses} invoices`} so far`,
      })}
      end={endAddOn}
      changes={ADD_ONS}
      orderName="add-ons-sort"
      empty={
        <Empty title="No add-on" command="farebox add-ons give CUSTOMER Onboarding 500 --on 2026-12-01">
          An add-on charges one customer for something that is no usage: onboarding, a support package.
        </Empty>
      }
      mayChange={mayChange}
      openCustomer={openCustomer}
    />
  );
}

export function costWords({ amount, quantity }: AddOnState): string {
  return quantity === "1" ? amount : `${quantity} × ${amount}`;
}

export function dueWords({ on, invoices }: AddOnState): string {
  const said = [
    on === null ? "" : `from ${on}`,
    invoices === null ? "on every invoice" : invoices === 1 ? "once" : `on ${invoices} invoices`,
  ];
  return said.filter(Boolean).join(", ");
}

const EMPTY = { customer: "", name: "", amount: "", quantity: "1", often: "once", on: "", tax: "" };

interface AddOnDialogProps {
  customers: readonly string[];
  close: () => void;
}

/** Charge a customer for something that is no usage. */
export function AddOnDialog({ customers, close }: AddOnDialogProps): ReactElement {
  const [said, setSaid] = useState(EMPTY);
  const give = useChange(giveAddOn, [ADD_ONS, DOCUMENTS], close);
  const set = (name: keyof typeof EMPTY) => (value: string) => setSaid({ ...said, [name]: value });
  const request: AddOnRequest = {
    customer: said.customer,
    name: said.name,
    amount: said.amount,
    quantity: said.quantity || "1",
    on: said.on || null,
    invoices: said.often === "once" ? 1 : null,
    tax_percent: said.tax || null,
  };
  const ready = said.customer !== "" && said.name !== "" && said.amount !== "";
  return (
    <Confirm
      title="New add-on"
      words={["It is on the customer's next invoice, or on the one of the period that its date is in."]}
      deed="Charge for it"
      act={() => give.mutate(request)}
      close={close}
      pending={give.isPending}
      error={give.error}
      ready={ready}
    >
      <div className="mt-3 flex flex-col gap-1">
        <TextField
          label="Customer"
          value={said.customer}
          change={set("customer")}
          options={customers}
          required
        />
        <TextField label="Name on the invoice" value={said.name} change={set("name")} required />
        <div className="grid grid-cols-2 gap-3">
          <TextField
            label="Amount of one"
            value={said.amount}
            change={set("amount")}
            hint="Before tax, in the customer's currency"
            required
          />
          <TextField label="How many" value={said.quantity} change={set("quantity")} />
        </div>
        <Choice
          label="How often"
          value={said.often}
          change={set("often")}
          choices={[
            ["once", "On one invoice"],
            ["always", "On every invoice, until it is ended"],
          ]}
        />
        <div className="grid grid-cols-2 gap-3">
          <TextField label="Not before" type="date" value={said.on} change={set("on")} />
          <TextField
            label="Tax, per cent"
            value={said.tax}
            change={set("tax")}
            hint="Empty: the customer's"
          />
        </div>
      </div>
      <TermEffects said={request} ready={ready} preview={previewAddOn} />
    </Confirm>
  );
}
