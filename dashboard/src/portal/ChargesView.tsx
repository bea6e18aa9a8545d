import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { Card } from "@/shared/ui/page/Card";
import { Empty } from "@/shared/ui/page/Empty";
import { DocumentLines } from "@/shared/ui/tables/DocumentLines";
import { Asked } from "./Asked";
import { ExactLines } from "./ExactLines";
import { LimitsCard } from "./LimitsCard";
import { chargesQuery } from "./portal-queries";
import type { PortalAccount, PortalDocument } from "./types";
import { WalletCard } from "./WalletCard";

/** What the running period comes to by now, and what is left of limits and wallet. */
export function ChargesView({ account }: { account: PortalAccount }): ReactElement {
  const charges = useQuery(chargesQuery);
  return (
    <>
      <Asked query={charges} height="h-64">
        {({ documents, nothing }) =>
          documents.length === 0 ? (
            <Card title="Charges so far">
              <Empty title="Nothing is charged now">
                {nothing || "There is no usage in this period yet. It shows here as soon as there is some."}
              </Empty>
            </Card>
          ) : (
            documents.map((document) => <SoFar key={document.id} document={document} />)
          )
        }
      </Asked>
      {account.limits.length > 0 ? <LimitsCard limits={account.limits} /> : null}
      {account.wallet !== null ? <WalletCard wallet={account.wallet} tz={account.timezone} /> : null}
    </>
  );
}

function SoFar({ document }: { document: PortalDocument }): ReactElement {
  const { page, status, first_day, last_day } = document;
  return (
    <Card
      title={status === "running" ? "Charges so far" : "Charges of a period that has ended"}
      aside={
        <span className="text-[12.5px] text-soft">
          {first_day} to {last_day}
        </span>
      }
    >
      <p className="mb-4">
        <span className="block text-[12.5px] text-soft">{page.headline.label}</span>
        <span className="text-[30px] leading-tight font-semibold tracking-[-0.02em]">
          {page.headline.text}
        </span>
        <span className="block text-[12.5px] text-soft">
          {status === "running"
            ? "By now. It is computed as the invoice will be, and grows with usage."
            : "There is no invoice for this period yet: late usage may still change it."}
        </span>
      </p>
      <DocumentLines page={page} />
      <Statements sentences={page.statements} />
      <ExactLines document={document} />
    </Card>
  );
}

export function Statements({ sentences }: { sentences: readonly string[] }): ReactElement | null {
  if (sentences.length === 0) return null;
  return (
    <ul className="mt-3 flex flex-col gap-1 text-[13px] text-warn">
      {sentences.map((sentence) => (
        <li key={sentence}>{sentence}</li>
      ))}
    </ul>
  );
}
