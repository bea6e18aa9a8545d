import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { documentQuery } from "@/shared/api/billing-queries";
import { address } from "@/shared/api/client";
import type { DocumentShown } from "@/shared/api/types";
import { Amount } from "@/shared/ui/figures/Amount";
import { DangerButton, MainButton, SideButton, TextButton } from "@/shared/ui/forms/buttons";
import { Card } from "@/shared/ui/page/Card";
import { Loaded } from "@/shared/ui/page/Loaded";
import { CreditDialog } from "./CreditDialog";
import { DocumentSheet } from "./DocumentSheet";
import { ExplainPanel } from "./ExplainPanel";
import { FinalizeDialog } from "./FinalizeDialog";
import { VoidDialog } from "./VoidDialog";

interface DocumentCardProps {
  id: string;
  /** The line whose explanation is open. */
  line: string | undefined;
  mayChange: boolean;
  open: (id: string) => void;
  openLine: (line: string | undefined) => void;
  close: () => void;
}

/** One invoice or credit note, with what can be done about it. */
export function DocumentCard(props: DocumentCardProps): ReactElement {
  const { id, line, mayChange, open, openLine, close } = props;
  const document = useQuery(documentQuery(id));
  const found = document.data;
  const title =
    found === undefined ? id : `${found.page.kind} ${found.number ?? `for ${found.customer}, draft`}`;
  return (
    <div className={`grid min-w-0 gap-6 ${line ? "lg:grid-cols-[minmax(0,1fr)_400px]" : "grid-cols-1"}`}>
      <div className="min-w-0">
        <Card
          title={title}
          aside={
            <span className="flex flex-wrap items-baseline justify-end gap-x-4 gap-y-1">
              <Downloads id={found?.number ?? id} />
              <TextButton onClick={close} className="whitespace-nowrap">
                All invoices
              </TextButton>
            </span>
          }
        >
          <Loaded query={document} skeleton={<div className="skeleton h-96" />}>
            {(said) => (
              <>
                {mayChange ? <Actions document={said} open={open} /> : null}
                <DocumentSheet
                  document={said}
                  {...(said.kind === "invoice" && said.number ? { explain: openLine } : {})}
                />
                <Related document={said} open={open} />
              </>
            )}
          </Loaded>
        </Card>
      </div>
      {line && found?.number ? (
        <ExplainPanel key={line} line={`${found.number}/${line}`} close={() => openLine(undefined)} />
      ) : null}
    </div>
  );
}

const FORMATS = ["pdf", "html", "csv", "json"] as const;

/** The document as files, from its stored bytes. */
function Downloads({ id }: { id: string }): ReactElement {
  return (
    <span className="flex gap-2.5 text-[12.5px]">
      {FORMATS.map((format) => (
        <a
          key={format}
          href={address("documents/{id}", { id, format })}
          download
          aria-label={`Download as ${format.toUpperCase()}`}
          className="font-medium text-soft uppercase underline underline-offset-4 hover:text-ink"
        >
          {format}
        </a>
      ))}
    </span>
  );
}

type Deed = "finalize" | "credit" | "void";

function Actions({
  document,
  open,
}: {
  document: DocumentShown;
  open: (id: string) => void;
}): ReactElement | null {
  const [deed, setDeed] = useState<Deed | null>(null);
  const close = (): void => setDeed(null);
  if (document.kind !== "invoice" || document.status === "void") return null;
  return (
    <div className="mb-5 flex flex-wrap gap-2">
      {document.status === "draft" ? (
        <MainButton onClick={() => setDeed("finalize")}>Finalize…</MainButton>
      ) : (
        <>
          {Object.keys(document.creditable).length > 0 ? (
            <SideButton onClick={() => setDeed("credit")}>Credit note…</SideButton>
          ) : null}
          <DangerButton onClick={() => setDeed("void")}>Void…</DangerButton>
        </>
      )}
      {deed === "finalize" ? <FinalizeDialog document={document} close={close} done={open} /> : null}
      {deed === "credit" ? <CreditDialog document={document} close={close} done={open} /> : null}
      {deed === "void" ? <VoidDialog document={document} close={close} /> : null}
    </div>
  );
}

function Related({
  document,
  open,
}: {
  document: DocumentShown;
  open: (id: string) => void;
}): ReactElement | null {
  const { credit_notes: notes, invoice } = document;
  if (invoice !== null) {
    return (
      <p className="mt-4 text-[13px]">
        Of <TextButton onClick={() => open(invoice)}>{invoice}</TextButton>
      </p>
    );
  }
  if (notes.length === 0) return null;
  return (
    <section className="mt-4 text-[13px]">
      <h3 className="font-medium">Credit notes</h3>
      <ul className="mt-1 flex flex-col gap-1">
        {notes.map((note) => (
          <li key={note.id}>
            <TextButton onClick={() => open(note.number)}>{note.number}</TextButton> credits{" "}
            <Amount text={note.total} currency={note.currency} />: {note.reason}
          </li>
        ))}
      </ul>
    </section>
  );
}
