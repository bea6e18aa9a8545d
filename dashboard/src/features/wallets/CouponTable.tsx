import { type ReactElement, useState } from "react";
import { COUPONS, DOCUMENTS } from "@/shared/api/billing-queries";
import type { CouponRequest, CouponState } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { Confirm } from "@/shared/ui/dialogs/Modal";
import { Choice, TextField } from "@/shared/ui/forms/fields";
import { Empty } from "@/shared/ui/page/Empty";
import { endCoupon, giveCoupon, previewCoupon } from "./changes";
import { GivenTable } from "./GivenTable";
import { TermEffects } from "./TermEffects";

interface CouponTableProps {
  coupons: readonly CouponState[];
  mayChange: boolean;
  openCustomer: (customer: string) => void;
}

/** Discounts of customers. */
export function CouponTable({ coupons, mayChange, openCustomer }: CouponTableProps): ReactElement {
  return (
    <GivenTable
      caption="Coupons"
      noun="coupon"
      rows={coupons}
      worth={{ id: "off", title: "Takes off", right: true, cell: offWords }}
      when={whenWords}
      state={({ ended_at, uses }) => ({
        status: ended_at === null ? "active" : "ended",
        uses: `used ${uses === 1 ? "once" : `${uses} times`}`,
      })}
      end={endCoupon}
      changes={COUPONS}
      orderName="coupons-sort"
      empty={
        <Empty title="No coupon" command="farebox coupons give CUSTOMER LAUNCH --percent 10">
          A coupon takes a percentage or an amount off a customer's invoices.
        </Empty>
      }
      mayChange={mayChange}
      openCustomer={openCustomer}
    />
  );
}

export function offWords({ percent, amount, charges }: CouponState): string {
  const off = percent === null ? `${amount}` : `${percent} %`;
  return charges.length > 0 ? `${off} of ${charges.join(", ")}` : off;
}

export function whenWords({ start, until, invoices }: CouponState): string {
  const said = [
    start === null ? "" : `from ${start}`,
    until === null ? "" : `until ${until}`,
    invoices === null ? "" : invoices === 1 ? "on one invoice" : `on ${invoices} invoices`,
  ].filter(Boolean);
  return said.join(", ") || "on every invoice";
}

/** Give a customer a discount. */
export function CouponDialog({
  customers,
  close,
}: {
  customers: readonly string[];
  close: () => void;
}): ReactElement {
  const [said, setSaid] = useState({
    customer: "",
    name: "",
    kind: "percent",
    value: "",
    until: "",
    invoices: "",
  });
  const give = useChange(giveCoupon, [COUPONS, DOCUMENTS], close);
  const request: CouponRequest = {
    customer: said.customer,
    name: said.name,
    percent: said.kind === "percent" ? said.value : null,
    amount: said.kind === "amount" ? said.value : null,
    until: said.until || null,
    invoices: said.invoices === "" ? null : Number.parseInt(said.invoices, 10),
  };
  const ready = said.customer !== "" && said.name !== "" && said.value !== "";
  return (
    <Confirm
      title="New coupon"
      words={["It is on the customer's invoices from the next one on."]}
      deed="Give the coupon"
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
          change={(customer) => setSaid({ ...said, customer })}
          options={customers}
          required
        />
        <TextField
          label="Name on the invoice"
          value={said.name}
          change={(name) => setSaid({ ...said, name })}
          required
        />
        <Choice
          label="Takes off"
          value={said.kind}
          change={(kind) => setSaid({ ...said, kind })}
          choices={[
            ["percent", "A percentage"],
            ["amount", "An amount, in the customer's currency"],
          ]}
        />
        <TextField
          label="How much"
          value={said.value}
          change={(value) => setSaid({ ...said, value })}
          required
        />
        <TextField
          label="Until"
          type="date"
          value={said.until}
          change={(until) => setSaid({ ...said, until })}
          hint="Empty: for ever"
        />
        <TextField
          label="On how many invoices"
          type="number"
          value={said.invoices}
          change={(invoices) => setSaid({ ...said, invoices })}
          hint="Empty: on every one"
        />
      </div>
      <TermEffects said={request} ready={ready} preview={previewCoupon} />
    </Confirm>
  );
}
