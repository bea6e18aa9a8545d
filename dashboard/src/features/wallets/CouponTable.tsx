import { type ReactElement, useState } from "react";
import { COUPONS, DOCUMENTS } from "@/shared/api/billing-queries";
import type { CouponRequest, CouponState } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { Confirm } from "@/shared/ui/dialogs/Modal";
import { TextButton } from "@/shared/ui/forms/buttons";
import { Choice, TextField } from "@/shared/ui/forms/fields";
import { Empty } from "@/shared/ui/page/Empty";
import { StatusChip } from "@/shared/ui/page/StatusChip";
import { byText, type Column, SortTable } from "@/shared/ui/tables/SortTable";
import { endCoupon, giveCoupon, previewCoupon } from "./changes";
import { TermEffects } from "./TermEffects";

interface CouponTableProps {
  coupons: readonly CouponState[];
  mayChange: boolean;
  openCustomer: (customer: string) => void;
}

/** Discounts of customers. */
export function CouponTable({ coupons, mayChange, openCustomer }: CouponTableProps): ReactElement {
  const [ended, setEnded] = useState<CouponState | null>(null);
  const end = useChange(endCoupon, [COUPONS, DOCUMENTS], () => setEnded(null));
  const columns: Column<CouponState>[] = [
    {
      id: "customer",
      title: "Customer",
      sort: byText(({ customer }) => customer),
      cell: ({ customer }) => <TextButton onClick={() => openCustomer(customer)}>{customer}</TextButton>,
    },
    {
      id: "name",
      title: "Coupon",
      sort: byText(({ name }) => name),
      cell: ({ name }) => <span className="font-medium">{name}</span>,
    },
    { id: "off", title: "Takes off", right: true, cell: offWords },
    {
      id: "when",
      title: "When",
      wide: true,
      cell: (each) => <span className="text-soft">{whenWords(each)}</span>,
    },
    {
      id: "state",
      title: "State",
      sort: byText(({ ended_at }) => ended_at ?? ""),
      cell: ({ ended_at, uses }) => (
        <span className="whitespace-nowrap">
          <StatusChip status={ended_at === null ? "active" : "ended"} />
          <span className="ml-2 text-[12px] text-faint">used {uses === 1 ? "once" : `${uses} times`}</span>
        </span>
      ),
    },
    ...(mayChange
      ? [
          {
            id: "end",
            title: "",
            right: true,
            cell: (each: CouponState) =>
              each.ended_at === null ? <TextButton onClick={() => setEnded(each)}>End</TextButton> : null,
          },
        ]
      : []),
  ];
  return (
    <>
      <SortTable
        caption="Coupons"
        rows={coupons}
        columns={columns}
        keyOf={({ id }) => id}
        orderName="coupons-sort"
        empty={
          <Empty title="No coupon" command="farebox coupons give CUSTOMER LAUNCH --percent 10">
            A coupon takes a percentage or an amount off a customer's invoices.
          </Empty>
        }
      />
      {ended ? (
        <Confirm
          title={`End ${ended.name} of ${ended.customer}?`}
          words={["Invoices from now on do without it. Final ones stay as they are."]}
          deed="End the coupon"
          dangerous
          act={() => end.mutate(ended.id)}
          close={() => setEnded(null)}
          pending={end.isPending}
          error={end.error}
        />
      ) : null}
    </>
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
