import { type ReactElement, type ReactNode, useRef, useState } from "react";
import { useAddress } from "@/shared/search/use-address";
import { useKeys } from "@/shared/ui/page/use-keys";
import { ROWS_DRAWN, useShownRows, useSteadyColumns } from "./use-shown-rows";

export interface Column<Row> {
  id: string;
  title: string;
  /** Amounts and counts stand at the right. */
  right?: boolean;
  /** Without it the column orders nothing. */
  sort?: (a: Row, b: Row) => number;
  /** Left out where the window is narrow. */
  wide?: boolean;
  cell: (row: Row) => ReactNode;
}

interface SortTableProps<Row> {
  caption: string;
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  keyOf: (row: Row) => string;
  /** A click on a row, or Enter on it; `j` and `k` move between rows. */
  open?: (row: Row) => void;
  /** The row that is open. */
  opened?: string | undefined;
  /** The address's name of the order, where a screen has several tables. */
  orderName?: string;
  /** What stands in place of rows. */
  empty: ReactNode;
}

/**
 * A table that is ordered by a click on a column's title. It scrolls within its card where it is narrow; of a
 * long one the rows in sight are drawn.
 */
export function SortTable<Row>(props: SortTableProps<Row>): ReactElement {
  const { caption, columns, keyOf, open, opened, orderName = "sort", empty } = props;
  const [address, change] = useAddress();
  const [cursor, setCursor] = useState(-1);
  const head = useRef<HTMLTableRowElement>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  const [by, downwards] = orderOf(address[orderName]);
  const rows = ordered(props.rows, columns.find(({ id }) => id === by)?.sort, downwards);
  const shown = useShownRows(rows.length, body);
  const isLong = rows.length > ROWS_DRAWN;
  useSteadyColumns(isLong, head);
  const move = (step: number): void => {
    const at = Math.max(0, Math.min(rows.length - 1, cursor + step));
    setCursor(at);
    shown.focus(at);
  };
  const openAtCursor = (): void => {
    const row = rows[cursor];
    if (row !== undefined) open?.(row);
  };
  useKeys(open === undefined ? {} : { j: () => move(1), k: () => move(-1), Enter: openAtCursor });
  if (rows.length === 0) return <>{empty}</>;
  const arrow = (column: string): ReactElement => (
    <span aria-hidden="true" className="inline-block w-3 text-center text-faint">
      {by === column ? (downwards ? "↓" : "↑") : ""}
    </span>
  );
  return (
    <div className="-mx-5 overflow-x-auto px-3">
      <table className="w-full text-[13.5px]" aria-rowcount={isLong ? rows.length + 1 : undefined}>
        <caption className="sr-only">{caption}</caption>
        <thead className="text-left text-[12.5px] text-soft">
          <tr ref={head}>
            {columns.map((column) => (
              <th
                key={column.id}
                scope="col"
                aria-sort={by === column.id ? (downwards ? "descending" : "ascending") : undefined}
                className={`pb-2 pl-4 font-medium whitespace-nowrap first:pl-2 last:pr-2 ${column.right ? "text-right" : ""} ${column.wide ? "hidden md:table-cell" : ""}`}
              >
                {column.sort === undefined ? (
                  column.title
                ) : (
                  <button
                    type="button"
                    onClick={() => change({ [orderName]: nextOrder(column, by, downwards) })}
                    className="rounded font-medium hover:text-ink"
                  >
                    {column.right ? arrow(column.id) : null}
                    {column.title}
                    {column.right ? null : arrow(column.id)}
                  </button>
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          <Gap height={shown.above} columns={columns.length} />
          {shown.places.map((index) => {
            const row = rows[index];
            if (row === undefined) return null;
            const key = keyOf(row);
            return (
              <tr
                key={key}
                ref={shown.measure}
                data-row={key}
                data-index={index}
                aria-rowindex={isLong ? index + 2 : undefined}
                tabIndex={open === undefined ? undefined : -1}
                aria-current={opened === key ? "true" : undefined}
                onFocus={() => setCursor(index)}
                onClick={
                  open === undefined
                    ? undefined
                    : (event) => {
                        if ((event.target as HTMLElement).closest("button, a, input") === null) open(row);
                      }
                }
                className={`border-t border-line align-top [&[aria-current=true]>td:first-child]:shadow-[inset_3px_0_0_var(--accent)] ${open === undefined ? "" : "cursor-pointer hover:bg-sunken"}`}
              >
                {columns.map((column) => (
                  <td
                    key={column.id}
                    className={`py-2 pl-4 first:pl-2 last:pr-2 ${column.right ? "text-right" : ""} ${column.wide ? "hidden md:table-cell" : ""}`}
                  >
                    {column.cell(row)}
                  </td>
                ))}
              </tr>
            );
          })}
          <Gap height={shown.below} columns={columns.length} />
        </tbody>
      </table>
    </div>
  );
}

/** The room of the rows that are not drawn. */
function Gap({ height, columns }: { height: number; columns: number }): ReactElement | null {
  if (height === 0) return null;
  return (
    <tr>
      <td colSpan={columns} style={{ height }} />
    </tr>
  );
}

/** Read an order: `-cost` is the highest cost first. */
export function orderOf(text: string | undefined): [string, boolean] {
  const said = text ?? "";
  return said.startsWith("-") ? [said.slice(1), true] : [said, false];
}

/** Return rows in an order; without one they stay as the server sent them. */
export function ordered<Row>(
  rows: readonly Row[],
  sort: ((a: Row, b: Row) => number) | undefined,
  downwards: boolean,
): readonly Row[] {
  if (sort === undefined) return rows;
  return [...rows].sort((a, b) => (downwards ? sort(b, a) : sort(a, b)));
}

/** Amounts begin with the highest, names with the first letter; the third click takes the order back. */
function nextOrder<Row>(column: Column<Row>, by: string, downwards: boolean): string | undefined {
  const firstDown = column.right === true;
  if (by !== column.id) return firstDown ? `-${column.id}` : column.id;
  if (downwards === firstDown) return firstDown ? column.id : `-${column.id}`;
  return undefined;
}

/** Text in the order of the alphabet. */
export function byText<Row>(of: (row: Row) => string): (a: Row, b: Row) => number {
  return (a, b) => of(a).localeCompare(of(b));
}
