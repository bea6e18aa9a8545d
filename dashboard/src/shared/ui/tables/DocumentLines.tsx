import type { ReactElement } from "react";
import type { Page, Row, RowGroup } from "@/shared/api/types";
import { TextButton } from "@/shared/ui/forms/buttons";

interface DocumentLinesProps {
  page: Page;
  /** Opens the explanation of a line of a final invoice. */
  explain?: ((line: string) => void) | undefined;
}

/** The lines of an invoice or a credit note as they are printed, and their sums. */
export function DocumentLines({ page, explain }: DocumentLinesProps): ReactElement {
  const [description, quantity, price, amount] = page.columns;
  return (
    <div className="-mx-5 overflow-x-auto px-5">
      <table className="w-full">
        <caption className="sr-only">Lines</caption>
        <thead className="text-left text-[12.5px] text-soft">
          <tr>
            <th scope="col" className="pb-2 font-medium">
              {description}
            </th>
            <th scope="col" className="hidden pb-2 pl-4 text-right font-medium sm:table-cell">
              {quantity}
            </th>
            <th scope="col" className="hidden pb-2 pl-4 text-right font-medium sm:table-cell">
              {price}
            </th>
            <th scope="col" className="pb-2 pl-4 text-right font-medium">
              {amount}
            </th>
          </tr>
        </thead>
        <tbody>
          {page.groups.map((group) => (
            <Group key={group.rows.map(({ line }) => line).join(" ")} group={group} explain={explain} />
          ))}
        </tbody>
        <tfoot>
          {page.totals.map((total) => (
            <tr
              key={total.label}
              className={`border-t border-line ${total.strong ? "text-[15px] font-semibold" : "font-normal text-soft"}`}
            >
              <th
                scope="row"
                colSpan={3}
                className="hidden py-2 text-right [font-weight:inherit] sm:table-cell"
              >
                {total.label}
              </th>
              <th scope="row" className="py-2 text-right [font-weight:inherit] sm:hidden">
                {total.label}
              </th>
              <td className="py-2 pl-4 text-right whitespace-nowrap">{total.amount}</td>
            </tr>
          ))}
        </tfoot>
      </table>
    </div>
  );
}

interface GroupProps {
  group: RowGroup;
  explain: DocumentLinesProps["explain"];
}

function Group({ group, explain }: GroupProps): ReactElement {
  return (
    <>
      {group.title ? (
        <tr className="border-t border-line font-medium">
          <td className="py-2" colSpan={1}>
            {group.title}
          </td>
          <td className="hidden sm:table-cell" />
          <td className="hidden sm:table-cell" />
          <td className="py-2 pl-4 text-right whitespace-nowrap">{group.amount}</td>
        </tr>
      ) : null}
      {group.rows.map((row) => (
        <Line key={row.line} row={row} inner={group.title !== ""} explain={explain} />
      ))}
    </>
  );
}

function Line({
  row,
  inner,
  explain,
}: {
  row: Row;
  inner: boolean;
  explain: GroupProps["explain"];
}): ReactElement {
  const quantity = `${row.quantity} ${row.unit}`.trim();
  return (
    <tr className="border-t border-line align-baseline">
      <td className={`py-2 ${inner ? "pl-4" : ""}`}>
        <span className="font-medium">{row.title}</span>
        {explain && row.line ? (
          <TextButton
            className="ml-2 !text-[12px]"
            aria-label={`Explain ${row.title}`}
            onClick={() => explain(row.line)}
          >
            Explain
          </TextButton>
        ) : null}
        {row.notes.map((note) => (
          <span key={note} className="block text-[12.5px] text-soft">
            {note}
          </span>
        ))}
        {quantity ? (
          <span className="block text-[12.5px] text-soft sm:hidden">
            {quantity}
            {row.unit_price ? ` at ${row.unit_price}` : ""}
          </span>
        ) : null}
      </td>
      <td className="hidden py-2 pl-4 text-right sm:table-cell">{quantity}</td>
      <td className="hidden py-2 pl-4 text-right whitespace-nowrap sm:table-cell">{row.unit_price}</td>
      <td className="py-2 pl-4 text-right whitespace-nowrap">{row.amount}</td>
    </tr>
  );
}
