import { Fragment, type ReactElement } from "react";
import type { DocumentShown } from "@/shared/api/types";
import { Amount } from "@/shared/ui/figures/Amount";
import { StatusChip } from "@/shared/ui/page/StatusChip";
import { DocumentLines } from "@/shared/ui/tables/DocumentLines";

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
      <DocumentLines page={page} explain={explain} />
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
