import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { InvoiceTable } from "@/features/billing/InvoiceTable";
import { NoteTable } from "@/features/billing/NoteTable";
import { RunDialog } from "@/features/billing/RunDialog";
import { customersQuery, invoicesQuery } from "@/shared/api/billing-queries";
import { address } from "@/shared/api/client";
import type { InvoiceBrief } from "@/shared/api/types";
import { formatCount } from "@/shared/format";
import { useAddress } from "@/shared/search/use-address";
import { MainButton, TextButton } from "@/shared/ui/forms/buttons";
import { Card } from "@/shared/ui/page/Card";
import { Empty } from "@/shared/ui/page/Empty";
import { Loaded } from "@/shared/ui/page/Loaded";
import { type Exported, ExportMenu } from "@/shared/ui/tables/ExportMenu";
import { OnlyFirst } from "@/shared/ui/tables/OnlyFirst";

const EXPORTED: Exported = { what: "invoices", href: (format) => address("invoices", { format }) };
const STATES = ["draft", "final", "void"] as const;

/** Invoices from draft to final. */
export function InvoicesTab({ mayChange }: { mayChange: boolean }): ReactElement {
  const [{ state }, change] = useAddress();
  const invoices = useQuery(invoicesQuery());
  const [running, setRunning] = useState(false);
  return (
    <Card
      title="Invoices"
      aside={
        <span className="flex flex-wrap items-center justify-end gap-x-4 gap-y-2">
          <ExportMenu {...EXPORTED} />
          {mayChange ? <MainButton onClick={() => setRunning(true)}>Run billing…</MainButton> : null}
        </span>
      }
    >
      <Loaded query={invoices} skeleton={<div className="skeleton h-48" />}>
        {({ invoices: found, next_cursor: next }) => (
          <>
            {found.length > 0 ? (
              <States invoices={found} state={state} choose={(next) => change({ state: next })} />
            ) : null}
            <InvoiceTable
              invoices={found.filter(({ status }) => state === undefined || status === state)}
              open={(id) => change({ invoice: id })}
              empty={found.length > 0 ? <Empty title={`No invoice is ${state}`} /> : <NoInvoice />}
            />
            <OnlyFirst next={next} exported={EXPORTED} />
          </>
        )}
      </Loaded>
      {running ? <RunDialog close={() => setRunning(false)} /> : null}
    </Card>
  );
}

interface StatesProps {
  invoices: readonly InvoiceBrief[];
  state: string | undefined;
  choose: (state: string | undefined) => void;
}

function States({ invoices, state, choose }: StatesProps): ReactElement {
  const chip =
    "rounded-full border border-line px-3 py-0.5 text-[12.5px] text-soft hover:text-ink aria-pressed:border-ink aria-pressed:bg-ink aria-pressed:text-paper";
  return (
    <div className="mb-3 flex flex-wrap gap-1.5">
      <button
        type="button"
        aria-pressed={state === undefined}
        onClick={() => choose(undefined)}
        className={chip}
      >
        All {formatCount(invoices.length)}
      </button>
      {STATES.map((each) => {
        const number = invoices.filter(({ status }) => status === each).length;
        return number > 0 || state === each ? (
          <button
            key={each}
            type="button"
            aria-pressed={state === each}
            onClick={() => choose(state === each ? undefined : each)}
            className={chip}
          >
            {each} {formatCount(number)}
          </button>
        ) : null;
      })}
    </div>
  );
}

/** Why there is no invoice: nobody to bill, nobody on a plan, or no period that has ended. */
function NoInvoice(): ReactElement {
  const customers = useQuery(customersQuery).data?.customers;
  const [, change] = useAddress();
  if (customers === undefined) return <div className="skeleton h-24" />;
  if (customers.length === 0) {
    return (
      <Empty
        title="There is nobody to bill yet"
        action={<TextButton onClick={() => change({ tab: "plans" })}>Set up customers and a plan</TextButton>}
      >
        Calls belong to a customer by a bound key, a user, an agent or a tag; a plan says what they are
        charged.
      </Empty>
    );
  }
  const subscribed = customers.some(({ subscriptions }) =>
    subscriptions.some(({ state }) => state !== "ended"),
  );
  return (
    <Empty title="There is no invoice yet" command="farebox invoices run">
      {subscribed
        ? "A run drafts every period that has ended and makes final what is past its grace period. What running periods come to is on each customer's page."
        : "No customer is on a plan. One without a subscription is billed only by a markup in pricing."}
    </Empty>
  );
}

/** Credit notes, the newest first. */
export function NotesTab(): ReactElement {
  const [, change] = useAddress();
  const invoices = useQuery(invoicesQuery());
  return (
    <Card
      title="Credit notes"
      aside={<ExportMenu what="credit notes" href={(format) => address("credit-notes", { format })} />}
    >
      <Loaded query={invoices} skeleton={<div className="skeleton h-32" />}>
        {({ credit_notes: notes }) => <NoteTable notes={notes} open={(id) => change({ invoice: id })} />}
      </Loaded>
    </Card>
  );
}
