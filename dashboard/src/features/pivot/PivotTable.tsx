import type { ReactElement, ReactNode } from "react";
import type { Pivot, PivotCell, PivotLine } from "@/shared/api/types";
import { formatCalls, formatCount } from "@/shared/format";
import { exactMeasure, formatMeasure, titleOf } from "@/shared/measures";
import { largest, permille } from "@/shared/money";
import { CallsLink } from "@/shared/search/CallsLink";
import { type Dimension, labelOf } from "@/shared/search/search";
import { Share } from "@/shared/ui/figures/Share";
import { KeyName } from "@/shared/ui/page/KeyName";

interface PivotTableProps {
  pivot: Pivot;
  order: "desc" | "asc";
  turn: () => void;
  /** Shows more of what everything else stands for; none where there is no more. */
  moreRows: (() => void) | undefined;
  moreColumns: (() => void) | undefined;
}

const HEAD = "px-3 pb-2 font-medium whitespace-nowrap";
const CELL = "px-3 py-1.5 text-right whitespace-nowrap";
const NAME = "sticky left-0 z-10 bg-card py-1.5 pr-3 text-left font-normal";

/** The table: every figure opens its calls, and everything else is a row and a column of its own. */
export function PivotTable({ pivot, order, turn, moreRows, moreColumns }: PivotTableProps): ReactElement {
  const { columns, column_keys, unit, lines } = pivot;
  const hasColumns = columns.length > 0;
  const top = largest(lines.filter(({ is_rest }) => !is_rest).map(({ total }) => total.value ?? "0"));
  const cell = (found: PivotCell, where: Readonly<Record<string, string | null>> | null): ReactElement => (
    <Figure cell={found} unit={unit} where={where} />
  );
  return (
    <div className="-mx-5 overflow-x-auto px-5">
      <table className="w-full border-separate border-spacing-0 text-[13.5px]">
        <caption className="sr-only">
          {titleOf(pivot.measure)} by {pivot.rows.map((name) => labelOf(name as Dimension)).join(", ")}
        </caption>
        <thead className="text-[12.5px] text-soft">
          <tr>
            <th scope="col" className={`${HEAD} sticky left-0 z-10 bg-card pl-0 text-left`}>
              {pivot.rows.map((name) => labelOf(name as Dimension)).join(" · ")}
            </th>
            <th
              scope="col"
              aria-sort={order === "asc" ? "ascending" : "descending"}
              className={`${HEAD} text-right`}
            >
              <button type="button" onClick={turn} className="rounded font-medium hover:text-ink">
                {hasColumns ? "All" : titleOf(pivot.measure)}
                <span aria-hidden="true" className="ml-1 text-faint">
                  {order === "asc" ? "↑" : "↓"}
                </span>
              </button>
            </th>
            {column_keys.map((keys) => (
              <th key={JSON.stringify(keys)} scope="col" className={`${HEAD} text-right`}>
                <Names names={columns} keys={keys} />
              </th>
            ))}
            {pivot.rest_columns > 0 ? (
              <th scope="col" className={`${HEAD} text-right`}>
                <Rest count={pivot.rest_columns} more={moreColumns} />
              </th>
            ) : null}
            {hasColumns ? null : <th scope="col" className={`${HEAD} w-40`} aria-label="Share" />}
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => {
            const where = line.is_rest ? null : whereOf(pivot.rows, line.keys);
            return (
              <tr key={line.is_rest ? "rest" : JSON.stringify(line.keys)} className="hover:bg-sunken">
                <th scope="row" className={`${NAME} max-w-72 border-t border-line`}>
                  {line.is_rest ? (
                    <Rest count={pivot.rest_rows} more={moreRows} />
                  ) : (
                    <span className="block truncate">
                      <Names names={pivot.rows} keys={line.keys} />
                    </span>
                  )}
                </th>
                <td className={`${CELL} border-t border-line font-medium`}>{cell(line.total, where)}</td>
                {line.cells.map((found, index) => {
                  const keys = column_keys[index];
                  const column = keys === undefined ? null : whereOf(columns, keys);
                  return (
                    <td
                      key={keys === undefined ? "rest" : JSON.stringify(keys)}
                      className={`${CELL} border-t border-line`}
                    >
                      {cell(found, where === null || column === null ? null : { ...where, ...column })}
                    </td>
                  );
                })}
                {hasColumns ? null : (
                  <td className="w-40 border-t border-line px-3 py-1.5">{share(line, top)}</td>
                )}
              </tr>
            );
          })}
        </tbody>
        <tfoot className="font-semibold">
          <tr>
            <th scope="row" className={`${NAME} border-t-2 border-line font-semibold`}>
              {pivot.adds_up ? "Total" : "All of them"}
            </th>
            <td className={`${CELL} border-t-2 border-line`}>{cell(pivot.total, {})}</td>
            {pivot.totals.map((found, index) => {
              const keys = column_keys[index];
              return (
                <td
                  key={keys === undefined ? "rest" : JSON.stringify(keys)}
                  className={`${CELL} border-t-2 border-line`}
                >
                  {cell(found, keys === undefined ? null : whereOf(columns, keys))}
                </td>
              );
            })}
            {hasColumns ? null : <td className="border-t-2 border-line" />}
          </tr>
        </tfoot>
      </table>
    </div>
  );
}

/** The filters that a row or a column stands for. */
export function whereOf(
  names: readonly string[],
  keys: readonly (string | null)[],
): Record<string, string | null> {
  return Object.fromEntries(names.map((name, index) => [name, keys[index] ?? null]));
}

interface FigureProps {
  cell: PivotCell;
  unit: string;
  /** The filters of its calls; null where no filter names them. */
  where: Readonly<Record<string, string | null>> | null;
}

function Figure({ cell, unit, where }: FigureProps): ReactElement {
  if (cell.calls === 0) return <span className="text-faint">·</span>;
  const shown = (
    <>
      {cell.at_least ? <span className="mr-[0.12em] text-[0.72em] font-normal text-faint">≥</span> : null}
      {formatMeasure(cell.value, unit)}
    </>
  );
  const exact = exactMeasure(cell.value, unit);
  const unpriced =
    unit === "pico" && cell.unpriced_calls > 0 ? `, ${formatCalls(cell.unpriced_calls)} without a price` : "";
  const title = `${cell.at_least ? "At least " : ""}${exact} · ${formatCalls(cell.calls)}${unpriced}`;
  if (where === null) return <span title={title}>{shown}</span>;
  return (
    <CallsLink where={where} title={title}>
      {shown}
    </CallsLink>
  );
}

function Names({
  names,
  keys,
}: {
  names: readonly string[];
  keys: readonly (string | null)[];
}): ReactElement {
  return (
    <>
      {names.map((name, index) => (
        <span key={name}>
          {index > 0 ? <span className="text-faint"> · </span> : null}
          {nameOf(name, keys[index] ?? null)}
        </span>
      ))}
    </>
  );
}

function nameOf(name: string, key: string | null): ReactNode {
  if (key === null) return <span className="text-faint">none</span>;
  return name === "key" ? <KeyName fingerprint={key} /> : <span title={key}>{key}</span>;
}

function Rest({ count, more }: { count: number; more: (() => void) | undefined }): ReactElement {
  const words = (
    <>
      Everything else <span className="text-faint">({formatCount(count)})</span>
    </>
  );
  if (more === undefined) return <span className="text-soft">{words}</span>;
  return (
    <button
      type="button"
      onClick={more}
      title="Show more of them"
      className="rounded text-soft underline-offset-4 hover:text-accent hover:underline"
    >
      {words}
    </button>
  );
}

function share(line: PivotLine, top: string): ReactElement | null {
  if (line.is_rest) return null;
  return <Share permille={permille(line.total.value ?? "0", top)} />;
}
