import { Fragment, type ReactElement } from "react";
import type { DocumentShown, Row, RowGroup } from "@/shared/api/types";
import { Amount } from "@/shared/ui/figures/Amount";
import { TextButton } from "@/shared/ui/forms/buttons";
import { StatusChip } from "@/shared/ui/page/StatusChip";

interface DocumentSheetProps {
  document: DocumentShown;
  /** Opens the explanation of a line of a final invoice. */
  explain?: ((line: string) => void) | undefined;
}

/** An invoice or a credit note as it is printed, and what happens next. */
export function DocumentSheet({ document, explain }: DocumentSheetProps): ReactElement {
  const { page, status } = document;
  return (
    <div className="flex flex-col gap-6 text-[13.5px]">
      <div className="flex flex-wrap items-start justify-between gap-x-8 gap-y-4">
        <div>
          <p className="flex flex-wrap items-center gap-2">
            <StatusChip status={status} />
            {page.bill_to[0] ? <span className="font-medium">{page.bill_to[0]}</span> : null}
          </p>
          <dl className="mt-3 grid grid-cols-[6rem_minmax(0,1fr)] gap-x-3 gap-y-1 text-[13px]">
            {page.facts.map(({ label, text }) => (
              <Fragment key={label}>
                <dt className="text-soft">{label}</dt>
                <dd className="break-words">{text}</dd>
              </Fragment>
            ))}
          </dl>
        </div>
        <p className="sm:text-right">
          <span className="block text-[12.5px] text-soft">{page.headline.label}</span>
          <span className="text-[26px] leading-tight font-semibold tracking-[-0.02em] whitespace-nowrap">
            {page.headline.text}
          </span>
          {document.due !== null && (document.credit_notes.length > 0 || status === "void") ? (
            <span className="block text-[12.5px] text-soft">
              <Amount text={document.due} currency={document.currency} /> by now
            </span>
          ) : null}
        </p>
      </div>
      <section aria-label="What happens next" className="rounded-lg bg-sunken px-4 py-3">
        <h3 className="text-[13px] font-medium">What happens next</h3>
        <ul className="mt-1 flex flex-col gap-0.5 text-soft">
          {document.next.map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ul>
      </section>
      <Lines document={document} explain={explain} />
      {page.statements.length > 0 ? (
        <ul className="flex flex-col gap-1 text-warn">
          {page.statements.map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ul>
      ) : null}
      <p className="text-[12px] break-words text-faint">{page.proof.join(" · ")}</p>
    </div>
  );
}

function Lines({ document, explain }: DocumentSheetProps): ReactElement {
  const { page } = document;
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
  explain: DocumentSheetProps["explain"];
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
