import { type ReactElement, useState } from "react";
import { DOCUMENTS, INVOICES, WALLETS } from "@/shared/api/billing-queries";
import type { RunShown } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { formatCount } from "@/shared/format";
import { Confirm, Modal } from "@/shared/ui/dialogs/Modal";
import { MainButton } from "@/shared/ui/forms/buttons";
import { Check } from "@/shared/ui/forms/fields";
import { runInvoices } from "./changes";

/** Bill every customer whose period has ended. */
export function RunDialog({ close }: { close: () => void }): ReactElement {
  const [said, setSaid] = useState({ drafts_only: true, accept_gap: false, accept_unpriced: false });
  const run = useChange(runInvoices, [INVOICES, DOCUMENTS, WALLETS]);
  if (run.data) return <RunReport made={run.data} close={close} />;
  return (
    <Confirm
      title="Run billing"
      words={[
        "Every customer's ended period is rated from the record. Within its grace period it becomes a draft; after it, a final invoice with the next number.",
        "Run again, it changes nothing that is final.",
      ]}
      deed={said.drafts_only ? "Make drafts" : "Make drafts and final invoices"}
      act={() => run.mutate(said)}
      close={close}
      pending={run.isPending}
      error={run.error}
    >
      <div className="mt-4 flex flex-col gap-2">
        <Check
          label="Drafts only: nothing becomes final"
          checked={said.drafts_only}
          change={(drafts_only) => setSaid({ ...said, drafts_only })}
        />
        {said.drafts_only ? null : (
          <>
            <Check
              label="Bill calls without a price as far as they are known"
              checked={said.accept_unpriced}
              change={(accept_unpriced) => setSaid({ ...said, accept_unpriced })}
            />
            <Check
              label="Bill periods of which the record lacks something"
              checked={said.accept_gap}
              change={(accept_gap) => setSaid({ ...said, accept_gap })}
            />
          </>
        )}
      </div>
    </Confirm>
  );
}

function RunReport({ made, close }: { made: RunShown; close: () => void }): ReactElement {
  return (
    <Modal title="What the run made" close={close}>
      <div className="mt-2 flex flex-col gap-3 text-[13.5px]">
        <p>
          {countOf(made.final.length, "final invoice")}, {countOf(made.drafts.length, "draft")}.
        </p>
        {made.refused.length > 0 ? (
          <section>
            <h3 className="font-medium text-bad">Not issued</h3>
            <ul className="mt-1 flex flex-col gap-1">
              {made.refused.map((each) => (
                <li key={`${each.customer} ${each.id}`}>
                  <span className="font-medium">{each.customer}</span>: {each.reason}
                </li>
              ))}
            </ul>
          </section>
        ) : null}
        {made.unconsumed.length > 0 ? (
          <section>
            <h3 className="font-medium text-warn">Usage that nothing charges</h3>
            <ul className="mt-1 flex flex-col gap-1">
              {made.unconsumed.map((sentence) => (
                <li key={sentence}>{sentence}</li>
              ))}
            </ul>
          </section>
        ) : null}
        <p className="text-right">
          <MainButton onClick={close}>Close</MainButton>
        </p>
      </div>
    </Modal>
  );
}

function countOf(number: number, noun: string): string {
  return `${formatCount(number)} ${noun}${number === 1 ? "" : "s"}`;
}
