import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { CustomerTable, TotalLine } from "@/features/customers/CustomerTable";
import { customerRows, unknownCustomers } from "@/features/customers/customer-rows";
import {
  customerBudgetsQuery,
  marginQuery,
  monthOf,
  statedQuery,
  trendQuery,
} from "@/features/customers/queries";
import { customersQuery } from "@/shared/api/billing-queries";
import { address } from "@/shared/api/client";
import type { Breakdown, Customers } from "@/shared/api/types";
import { formatCalls, formatCount } from "@/shared/format";
import { BreakdownLink } from "@/shared/search/BreakdownLink";
import { zoneOf } from "@/shared/search/search";
import { useAddress } from "@/shared/search/use-address";
import { useSearch } from "@/shared/search/use-search";
import { besides, MonthPicker, monthNow } from "@/shared/ui/forms/MonthPicker";
import { Problems } from "@/shared/ui/forms/Problems";
import { Card } from "@/shared/ui/page/Card";
import { Copyable } from "@/shared/ui/page/Copyable";
import { Loaded } from "@/shared/ui/page/Loaded";
import { ExportMenu } from "@/shared/ui/tables/ExportMenu";
import { OnlyFirst } from "@/shared/ui/tables/OnlyFirst";
import { CustomerPage } from "./customers/CustomerPage";

/** Who is unprofitable; and everything about one customer. */
export default function CustomersScreen(): ReactElement {
  const tz = zoneOf(useSearch().search);
  const [{ customer, month }, change] = useAddress();
  const shown = month ?? monthNow(tz);
  if (customer) return <CustomerPage key={customer} id={customer} month={shown} tz={tz} />;
  return <CustomerList month={shown} tz={tz} open={(id) => change({ customer: id })} />;
}

interface CustomerListProps {
  month: string;
  tz: string;
  open: (customer: string) => void;
}

function CustomerList({ month, tz, open }: CustomerListProps): ReactElement {
  const [, change] = useAddress();
  const customers = useQuery(customersQuery);
  const now = useQuery(marginQuery(month));
  const before = useQuery(marginQuery(besides(month, -1)));
  const trend = useQuery(trendQuery(tz));
  const budgets = useQuery(customerBudgetsQuery);
  return (
    <div className="flex flex-col gap-6">
      <Card
        title="Customers"
        aside={
          <span className="flex flex-wrap items-center justify-end gap-x-4 gap-y-2">
            <ExportMenu
              what="margins of customers"
              href={(format) => address("margin", { ...monthOf(month), format })}
            />
            <MonthPicker month={month} change={(next) => change({ month: next })} />
          </span>
        }
      >
        <p className="-mt-2 mb-3 text-[12.5px] text-faint">
          Billing periods that begin in {month}, as far as they are, before tax.
        </p>
        <Loaded query={customers} skeleton={<div className="skeleton h-48" />}>
          {(all) => (
            <>
              <Problems problems={all.problems} />
              <OnlyFirst
                next={all.next_cursor}
                exported={{ what: "customers", href: (format) => address("customers", { format }) }}
              />
              <Loaded query={now} skeleton={<div className="skeleton h-48" />}>
                {(margins) => (
                  <>
                    {margins.rows.length > 1 ? <TotalLine total={margins.total} /> : null}
                    <CustomerTable
                      rows={customerRows({
                        customers: all,
                        now: margins,
                        before: before.isPlaceholderData ? undefined : before.data,
                        trend: trend.data,
                        budgets: budgets.data?.budgets ?? [],
                      })}
                      open={open}
                    />
                  </>
                )}
              </Loaded>
            </>
          )}
        </Loaded>
      </Card>
      {customers.data ? <Unknown customers={customers.data} tz={tz} /> : null}
    </div>
  );
}

const UNKNOWN_SHOWN = 20;

/** How many customers calls name besides those that were asked for. */
function restOf(stated: Breakdown | undefined): number {
  return stated?.rest_groups ?? 0;
}

/** Customers that calls name and nobody has set up: nothing bills them. */
function Unknown({ customers, tz }: { customers: Customers; tz: string }): ReactElement | null {
  const stated = useQuery(statedQuery(tz));
  const unknown = stated.data ? unknownCustomers(customers, stated.data) : [];
  const first = unknown[0];
  if (first === undefined) return null;
  return (
    <Card title="Named by calls, and not set up">
      <p className="-mt-2 mb-3 text-[13px] text-soft">
        Calls of the last 30 days name {unknown.length === 1 ? "this customer" : "these customers"}; nothing
        bills
        {unknown.length === 1 ? " it" : " them"}.
      </p>
      <ul className="mb-4 flex flex-wrap gap-x-5 gap-y-1 text-[13.5px]">
        {unknown.slice(0, UNKNOWN_SHOWN).map(([name, calls]) => (
          <li key={name}>
            <Link
              to={"/explorer" as never}
              search={{ customer: name.replaceAll(",", "\\,"), since: "30d" } as never}
              className="text-accent underline underline-offset-4"
            >
              {name}
            </Link>{" "}
            <span className="text-[12.5px] text-faint">{formatCalls(calls)}</span>
          </li>
        ))}
        {unknown.length > UNKNOWN_SHOWN || restOf(stated.data) > 0 ? (
          <li>
            <BreakdownLink by={["customer"]} where={{ since: "30d", tz }} className="text-soft">
              {restOf(stated.data) > 0
                ? "All that calls name"
                : `and ${formatCount(unknown.length - UNKNOWN_SHOWN)} more`}
            </BreakdownLink>
          </li>
        ) : null}
      </ul>
      <Copyable text={`farebox customers set ${first[0]}`} label="Set up the first one" />
    </Card>
  );
}
