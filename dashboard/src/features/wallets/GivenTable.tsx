import { type ReactElement, type ReactNode, useState } from "react";
import { DOCUMENTS } from "@/shared/api/billing-queries";
import { useChange } from "@/shared/api/use-change";
import { Confirm } from "@/shared/ui/dialogs/Modal";
import { TextButton } from "@/shared/ui/forms/buttons";
import { StatusChip } from "@/shared/ui/page/StatusChip";
import { byText, type Column, SortTable } from "@/shared/ui/tables/SortTable";

interface Given {
  id: string;
  customer: string;
  name: string;
  ended_at: string | null;
}

interface GivenTableProps<Row extends Given> {
  caption: string;
  /** What one is called: "coupon". */
  noun: string;
  rows: readonly Row[];
  /** What it is worth: the column that stands behind the name. */
  worth: Column<Row>;
  when: (row: Row) => string;
  state: (row: Row) => { status: string; uses: string };
  /** How one is ended, and what is read anew then. */
  end: (id: string) => Promise<unknown>;
  changes: string;
  orderName: string;
  empty: ReactNode;
  mayChange: boolean;
  openCustomer: (customer: string) => void;
}

/** What customers were given, coupons or add-ons, until it is ended. */
export function GivenTable<Row extends Given>(props: GivenTableProps<Row>): ReactElement {
  const { noun, when, state, openCustomer } = props;
  const [ended, setEnded] = useState<Row | null>(null);
  const end = useChange(props.end, [props.changes, DOCUMENTS], () => setEnded(null));
  const columns: Column<Row>[] = [
    {
      id: "customer",
      title: "Customer",
      sort: byText(({ customer }) => customer),
      cell: ({ customer }) => <TextButton onClick={() => openCustomer(customer)}>{customer}</TextButton>,
    },
    {
      id: "name",
      title: `${noun[0]?.toUpperCase()}${noun.slice(1)}`,
      sort: byText(({ name }) => name),
      cell: ({ name }) => <span className="font-medium">{name}</span>,
    },
    props.worth,
    {
      id: "when",
      title: "When",
      wide: true,
      cell: (each) => <span className="text-soft">{when(each)}</span>,
    },
    {
      id: "state",
      title: "State",
      sort: byText(({ ended_at }) => ended_at ?? ""),
      cell: (each) => (
        <span className="whitespace-nowrap">
          <StatusChip status={state(each).status} />
          <span className="ml-2 text-[12px] text-faint">{state(each).uses}</span>
        </span>
      ),
    },
    ...(props.mayChange
      ? [
          {
            id: "end",
            title: "",
            right: true,
            cell: (each: Row) =>
              each.ended_at === null ? <TextButton onClick={() => setEnded(each)}>End</TextButton> : null,
          },
        ]
      : []),
  ];
  return (
    <>
      <SortTable
        caption={props.caption}
        rows={props.rows}
        columns={columns}
        keyOf={({ id }) => id}
        orderName={props.orderName}
        empty={props.empty}
      />
      {ended ? (
        <Confirm
          title={`End ${ended.name} of ${ended.customer}?`}
          words={["Invoices from now on do without it. Final ones stay as they are."]}
          deed={`End the ${noun}`}
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
