import type { ReactElement } from "react";
import { compareAmounts, picoOf } from "@/shared/amount";
import type { MarginRow } from "@/shared/api/types";
import { formatCalls } from "@/shared/format";
import { Meter } from "@/shared/ui/figures/Meter";
import { Money } from "@/shared/ui/figures/Money";
import { Empty } from "@/shared/ui/page/Empty";
import { byText, type Column, SortTable } from "@/shared/ui/tables/SortTable";
import { type CustomerRow, isLoss, points } from "./customer-rows";

interface CustomerTableProps {
  rows: readonly CustomerRow[];
  open: (customer: string) => void;
}

/** Who costs what, pays what, and earns what. */
export function CustomerTable({ rows, open }: CustomerTableProps): ReactElement {
  const columns: Column<CustomerRow>[] = [
    {
      id: "name",
      title: "Customer",
      sort: byText(({ name }) => name),
      cell: ({ id, name, plan }) => (
        <span className="block min-w-28">
          <button
            type="button"
            onClick={() => open(id)}
            className="rounded text-left font-medium break-words hover:underline"
          >
            {name}
          </button>
          <span className="block text-[12px] text-faint">{plan || "on no plan"}</span>
        </span>
      ),
    },
    {
      id: "cost",
      title: "Cost",
      right: true,
      sort: (a, b) => compareAmounts(a.now?.cost_usd ?? null, b.now?.cost_usd ?? null),
      cell: ({ now, before }) => <Cost now={now} before={before} />,
    },
    {
      id: "charged",
      title: "Charged",
      right: true,
      wide: true,
      sort: (a, b) => compareAmounts(a.now?.revenue_usd ?? null, b.now?.revenue_usd ?? null),
      cell: ({ now }) => <Charged now={now} />,
    },
    {
      id: "margin",
      title: "Margin",
      right: true,
      sort: (a, b) => compareAmounts(a.now?.margin_usd ?? null, b.now?.margin_usd ?? null),
      cell: ({ now }) => <MarginFigure now={now} />,
    },
    {
      id: "trend",
      title: "Cost a day, 30 days",
      wide: true,
      cell: ({ trend, name }) => <Trend trend={trend} name={name} />,
    },
    {
      id: "budget",
      title: "Budget used",
      wide: true,
      sort: (a, b) => (a.budget?.spent ?? -1) - (b.budget?.spent ?? -1),
      cell: ({ budget }) =>
        budget === undefined ? (
          <span className="text-faint">none</span>
        ) : (
          <span className="block max-w-44 min-w-28">
            <span className="text-[12.5px]">
              {Math.floor(budget.spent / 10)} % of <Money pico={budget.limit_pico} />
            </span>
            <Meter
              spent={budget.spent}
              label={`${Math.floor(budget.spent / 10)} % of ${budget.name} is spent`}
            />
          </span>
        ),
    },
  ];
  return (
    <SortTable
      caption="Customers"
      rows={rows}
      columns={columns}
      keyOf={({ id }) => id}
      open={({ id }) => open(id)}
      empty={
        <Empty title="No customer is set up" command="farebox customers set acme --name 'Acme Inc.'">
          Calls that name a customer are metered anyway. A customer that is set up has a plan, a wallet and
          invoices, and its margin is shown here.
        </Empty>
      }
    />
  );
}

/** What all customers come to. */
export function TotalLine({ total }: { total: MarginRow }): ReactElement {
  const unpriced = total.unpriced_calls > 0;
  return (
    <p className="mb-4 text-[13.5px] text-soft">
      All together: cost{" "}
      <span className="font-medium text-ink">
        <Money pico={picoOf(total.cost_usd)} atLeast={unpriced} />
      </span>
      , charged{" "}
      <span className="font-medium text-ink">
        <Charged now={total} />
      </span>
      , margin{" "}
      <span className="font-medium text-ink">
        {total.margin_usd === null ? "–" : <Money pico={picoOf(total.margin_usd)} />}
        {total.margin_percent === null ? "" : ` (${total.margin_percent} %)`}
      </span>
    </p>
  );
}

export function Cost({
  now,
  before,
}: {
  now: MarginRow | undefined;
  before: MarginRow | undefined;
}): ReactElement {
  if (now === undefined) return <span className="text-faint">–</span>;
  return (
    <span>
      <Money pico={picoOf(now.cost_usd)} atLeast={now.unpriced_calls > 0} />
      {before === undefined ? null : (
        <span className="block text-[12px] whitespace-nowrap text-faint">
          was <Money pico={picoOf(before.cost_usd)} atLeast={before.unpriced_calls > 0} />
        </span>
      )}
    </span>
  );
}

export function Charged({ now }: { now: MarginRow | undefined }): ReactElement {
  if (now === undefined) return <span className="text-faint">–</span>;
  if (now.revenue_usd === null) return <span title="It is in a currency without a rate">no rate</span>;
  return <Money pico={picoOf(now.revenue_usd)} atLeast={now.revenue_unpriced_calls > 0} />;
}

export function MarginFigure({ now }: { now: MarginRow | undefined }): ReactElement {
  if (now === undefined || now.margin_usd === null) return <span className="text-faint">–</span>;
  const loss = isLoss(now.margin_usd);
  const doubt =
    now.unpriced_calls > 0
      ? `${formatCalls(now.unpriced_calls)} have no price: the cost is higher`
      : undefined;
  return (
    <span className={loss ? "text-bad" : ""} title={doubt}>
      {doubt === undefined ? null : <span className="mr-[0.12em] text-[0.72em] text-faint">≤</span>}
      <Money pico={picoOf(now.margin_usd)} />
      <span className="block text-[12px] whitespace-nowrap">
        {loss ? "loss " : ""}
        {now.margin_percent === null ? "" : `${now.margin_percent} %`}
      </span>
    </span>
  );
}

function Trend({ trend, name }: { trend: readonly string[]; name: string }): ReactElement {
  if (trend.length < 2) return <span className="text-faint">–</span>;
  return (
    <svg
      width="96"
      height="24"
      viewBox="-1 -1 98 26"
      role="img"
      aria-label={`Cost of ${name} a day, 30 days`}
    >
      <polyline
        points={points(trend, 96, 24)}
        fill="none"
        stroke="var(--s0)"
        strokeWidth="1.5"
        strokeLinejoin="round"
      />
    </svg>
  );
}
