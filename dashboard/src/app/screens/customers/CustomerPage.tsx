import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { InvoiceTable } from "@/features/billing/InvoiceTable";
import { BreakdownCard } from "@/features/breakdown/BreakdownCard";
import { CustomerBudgets, CustomerFacts, Identities } from "@/features/customers/CustomerFacts";
import { budgetsOf } from "@/features/customers/customer-rows";
import { MonthFigures } from "@/features/customers/MonthFigures";
import { customerBudgetsQuery, marginQuery } from "@/features/customers/queries";
import { SpanCard } from "@/features/spend/SpanCard";
import { customersQuery, invoicesQuery } from "@/shared/api/billing-queries";
import { useMayChange } from "@/shared/api/role";
import type { CustomerState } from "@/shared/api/types";
import { addressMoment } from "@/shared/format";
import { type Dimension, isDimension, oneValue, type Search } from "@/shared/search/search";
import { useAddress } from "@/shared/search/use-address";
import { TextButton } from "@/shared/ui/forms/buttons";
import { besides, MonthPicker, monthNow } from "@/shared/ui/forms/MonthPicker";
import { Card } from "@/shared/ui/page/Card";
import { Empty } from "@/shared/ui/page/Empty";
import { Loaded } from "@/shared/ui/page/Loaded";
import { ChargeSoFar, Subscriptions, Wallet } from "./CustomerBilling";

interface CustomerPageProps {
  id: string;
  month: string;
  tz: string;
}

/** Everything about one customer: what it costs and pays, who uses it, what it owes, whose calls are its own. */
export function CustomerPage({ id, month, tz }: CustomerPageProps): ReactElement {
  const [, change] = useAddress();
  const customers = useQuery(customersQuery);
  return (
    <div className="flex flex-col gap-6">
      <div className="flex flex-wrap items-baseline justify-between gap-3">
        <TextButton onClick={() => change({ customer: undefined })}>← All customers</TextButton>
        <MonthPicker month={month} change={(next) => change({ month: next })} />
      </div>
      <Loaded query={customers} skeleton={<div className="skeleton h-96" />}>
        {({ customers: all }) => {
          const customer = all.find((each) => each.id === id);
          return customer === undefined ? (
            <Card title={id}>
              <Empty title={`There is no customer “${id}”`} command={`farebox customers set ${id}`}>
                Calls that name it are metered all the same, and nothing bills them.
              </Empty>
            </Card>
          ) : (
            <Page customer={customer} month={month} tz={tz} />
          );
        }}
      </Loaded>
    </div>
  );
}

function Page({ customer, month, tz }: { customer: CustomerState; month: string; tz: string }): ReactElement {
  const navigate = useNavigate();
  const [address, change] = useAddress();
  const mayChange = useMayChange();
  const now = useQuery(marginQuery(month));
  const before = useQuery(marginQuery(besides(month, -1)));
  const invoices = useQuery(invoicesQuery(customer.id));
  const budgets = useQuery(customerBudgetsQuery);
  const { id } = customer;
  const span = spanOf(customer, month);
  const explore = (dimension: Dimension, value: string): void =>
    void navigate({
      to: "/explorer",
      search: { ...span, tz: span.tz ?? tz, [dimension]: oneValue(value) },
    } as never);
  const openInvoice = (invoice: string): void =>
    void navigate({ to: "/billing", search: { invoice, tz } } as never);
  return (
    <div className="flex flex-col gap-6">
      <Card
        title={customer.name || id}
        aside={<span className="text-[12.5px] text-faint">{month}, before tax</span>}
      >
        <Loaded query={now} skeleton={<div className="skeleton h-20" />}>
          {({ rows }) => (
            <MonthFigures
              now={rows.find(({ value }) => value === id)}
              before={
                before.isPlaceholderData ? undefined : before.data?.rows.find(({ value }) => value === id)
              }
            />
          )}
        </Loaded>
      </Card>
      <SpanCard
        search={span}
        by={dimensionOf(address.besides, "model")}
        pick={explore}
        zoom={(startMs, endMs) => {
          const zone = customer.timezone;
          const within = { since: addressMoment(startMs, zone), until: addressMoment(endMs, zone) };
          void navigate({ to: "/explorer", search: { ...span, ...within } } as never);
        }}
      />
      <div className="grid gap-6 lg:grid-cols-2">
        <BreakdownCard
          search={span}
          by={dimensionOf(address.by, "user")}
          onPick={explore}
          onBy={(by) => change({ by })}
        />
        <BreakdownCard
          search={span}
          by={dimensionOf(address.besides, "model")}
          colored
          onPick={explore}
          onBy={(by) => change({ besides: by })}
        />
      </div>
      <ChargeSoFar customer={id} />
      <div className="grid gap-6 lg:grid-cols-2">
        <Subscriptions customer={customer} mayChange={mayChange} />
        <Card title="Budgets">
          <Loaded query={budgets} skeleton={<div className="skeleton h-20" />}>
            {(found) => <CustomerBudgets budgets={budgetsOf(id, found.budgets)} />}
          </Loaded>
        </Card>
        <Card title="Invoices">
          <Loaded query={invoices} skeleton={<div className="skeleton h-20" />}>
            {(found) => (
              <InvoiceTable
                invoices={found.invoices}
                open={openInvoice}
                ofOne
                empty={<p className="text-[13px] text-soft">No invoice yet.</p>}
              />
            )}
          </Loaded>
        </Card>
        <Wallet customer={id} mayChange={mayChange} />
        <Card title="Whose calls are its own">
          <Identities customer={customer} />
        </Card>
        <Card title="Who it is">
          <CustomerFacts customer={customer} />
        </Card>
      </div>
    </div>
  );
}

/** A dimension as the address names it. */
function dimensionOf(name: string | undefined, usual: Dimension): Dimension {
  return name !== undefined && isDimension(name) ? name : usual;
}

/** A month on the customer's calendar, as a span of calls. */
function spanOf({ id, timezone }: CustomerState, month: string): Search {
  const runs = month === monthNow(timezone);
  return {
    since: `${month}-01T00:00`,
    ...(runs ? {} : { until: `${besides(month, 1)}-01T00:00` }),
    tz: timezone,
    customer: oneValue(id),
  };
}
