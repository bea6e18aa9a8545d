import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useEffect, useState } from "react";
import { ApiError } from "@/shared/api/client";
import { ErrorNotice } from "@/shared/ui/page/ErrorNotice";
import { CallsView } from "./CallsView";
import { ChargesView } from "./ChargesView";
import { InvoicesView } from "./InvoicesView";
import { Notice } from "./Notice";
import { PortalHeader } from "./PortalHeader";
import { accountQuery, lookQuery } from "./portal-queries";
import { UsageView } from "./UsageView";

const VIEWS = ["Charges", "Usage", "Calls", "Invoices"] as const;
type View = (typeof VIEWS)[number];

/** A customer's own page: what is charged, for what, and what is left. It changes nothing. */
export function Portal({ hasLink }: { hasLink: boolean }): ReactElement {
  const look = useQuery(lookQuery);
  const account = useQuery({ ...accountQuery, enabled: hasLink });
  const [view, setView] = useState<View>("Charges");
  const name = look.data?.name || "Usage and charges";
  useEffect(() => {
    document.title = look.data?.name ? `${look.data.name} · usage and charges` : "Usage and charges";
  }, [look.data]);
  return (
    <div className="min-h-screen">
      <PortalHeader look={look.data} name={name} customer={account.data?.customer} />
      <main className="mx-auto flex max-w-5xl min-w-0 flex-col gap-6 px-4 pt-6 pb-16 sm:px-6">
        {!hasLink ? (
          <Notice title="Open this page with your link">
            The link that you were sent has a key at its end, after the # sign. Without it there is nothing to
            show.
          </Notice>
        ) : account.error instanceof ApiError &&
          account.error.status < 500 &&
          account.error.status !== 429 ? (
          <Notice title="This link opens nothing now">{account.error.message}</Notice>
        ) : account.error ? (
          <ErrorNotice error={account.error} retry={() => void account.refetch()} />
        ) : account.data === undefined ? (
          <div role="status" aria-label="Loading" aria-busy="true" className="skeleton h-40" />
        ) : (
          <>
            <h1 className="sr-only">Usage and charges of {account.data.customer}</h1>
            <nav aria-label="Parts of this page" className="-mx-1 flex gap-1 overflow-x-auto px-1 pb-1">
              {VIEWS.map((each) => (
                <button
                  key={each}
                  type="button"
                  aria-current={each === view ? "page" : undefined}
                  onClick={() => setView(each)}
                  className="rounded-lg px-3 py-1.5 text-[13.5px] font-medium whitespace-nowrap text-soft hover:bg-sunken hover:text-ink aria-[current=page]:bg-ink aria-[current=page]:text-paper"
                >
                  {each}
                </button>
              ))}
            </nav>
            {view === "Charges" ? <ChargesView account={account.data} /> : null}
            {view === "Usage" ? <UsageView tz={account.data.timezone} /> : null}
            {view === "Calls" ? <CallsView tz={account.data.timezone} /> : null}
            {view === "Invoices" ? <InvoicesView /> : null}
            <p className="text-[12.5px] text-soft">
              Days are those of {account.data.timezone}. This link works until{" "}
              {account.data.link_ends_at.slice(0, 10)} and can be taken back at any time.
            </p>
          </>
        )}
      </main>
    </div>
  );
}
