import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { PayeeState, StatementState } from "@/shared/api/types";
import { useAddress } from "@/shared/search/use-address";
import { SidePanel } from "@/shared/ui/dialogs/SidePanel";
import { Amount } from "@/shared/ui/figures/Amount";
import { MonthPicker, monthNow } from "@/shared/ui/forms/MonthPicker";
import { Empty } from "@/shared/ui/page/Empty";
import { Loaded } from "@/shared/ui/page/Loaded";
import { byText, type Column, SortTable } from "@/shared/ui/tables/SortTable";
import { statementsQuery } from "./changes";

interface PayeeTableProps {
  payees: readonly PayeeState[];
  opened: string | undefined;
  open: (payee: string) => void;
}

/** Who has a share of what customers pay, and what they are owed. */
export function PayeeTable({ payees, opened, open }: PayeeTableProps): ReactElement {
  const columns: Column<PayeeState>[] = [
    {
      id: "payee",
      title: "Payee",
      sort: byText(({ name, id }) => name || id),
      cell: ({ id, name, email }) => (
        <span>
          <button type="button" onClick={() => open(id)} className="rounded font-medium hover:underline">
            {name || id}
          </button>
          <span className="block text-[12px] text-faint">
            {[name ? id : "", email].filter(Boolean).join(" · ")}
          </span>
        </span>
      ),
    },
    {
      id: "owed",
      title: "Owed",
      right: true,
      cell: ({ owed }) => {
        const amounts = Object.entries(owed);
        if (amounts.length === 0) return <span className="text-faint">nothing</span>;
        return amounts.map(([currency, amount]) => (
          <span key={currency} className="block">
            <Amount text={amount} currency={currency} />
          </span>
        ));
      },
    },
  ];
  return (
    <SortTable
      caption="Payees"
      rows={payees}
      columns={columns}
      keyOf={({ id }) => id}
      open={({ id }) => open(id)}
      opened={opened}
      orderName="payees-sort"
      empty={
        <Empty title="Nobody has a share">
          A charge of a plan with <code>shares: {"{ada: 30}"}</code> gives a payee part of what it brings.
        </Empty>
      }
    />
  );
}

/** A payee's month: what each line brought, and what is owed. */
export function PayeePanel({
  payee,
  tz,
  close,
}: {
  payee: string;
  tz: string;
  close: () => void;
}): ReactElement {
  const [{ month }, change] = useAddress();
  const shown = month ?? monthNow(tz);
  const statements = useQuery(statementsQuery(payee, shown, tz));
  return (
    <SidePanel title={`Statement of ${payee}`} close={close}>
      <MonthPicker month={shown} change={(next) => change({ month: next })} />
      <div className="mt-3">
        <Loaded query={statements} skeleton={<div className="skeleton h-40" />}>
          {({ statements: found }) =>
            found.length === 0 ? (
              <p className="text-[13px] text-soft">
                Nothing was owed before, and this month brought nothing.
              </p>
            ) : (
              <div>
                {found.map((each) => (
                  <Statement key={each.currency} statement={each} />
                ))}
              </div>
            )
          }
        </Loaded>
      </div>
    </SidePanel>
  );
}

function Statement({ statement }: { statement: StatementState }): ReactElement {
  const { currency, unpriced_calls: unpriced } = statement;
  return (
    <table className="w-full text-[13px]">
      <caption className="sr-only">Statement in {currency}</caption>
      <tbody>
        <tr className="text-soft">
          <th scope="row" className="py-1 text-left font-normal">
            Owed before
          </th>
          <td className="py-1 pl-3 text-right">
            <Amount text={statement.opening} currency={currency} />
          </td>
        </tr>
        {statement.lines.map((line) => (
          <tr key={`${line.document} ${line.line}`} className="border-t border-line align-baseline">
            <td className="py-1">
              {line.title}
              <span className="block text-[12px] text-faint">
                {line.percent} % of <Amount text={line.line_amount} currency={currency} /> · {line.document} ·{" "}
                {line.customer} · {line.at.slice(0, 10)}
              </span>
            </td>
            <td className="py-1 pl-3 text-right">
              <Amount text={line.share} currency={currency} atLeast={line.unpriced_calls > 0} />
            </td>
          </tr>
        ))}
        <tr className="border-t border-line font-semibold">
          <th scope="row" className="py-1.5 text-left">
            Owed now
          </th>
          <td className="py-1.5 pl-3 text-right">
            <Amount text={statement.closing} currency={currency} atLeast={unpriced > 0} />
          </td>
        </tr>
      </tbody>
    </table>
  );
}
