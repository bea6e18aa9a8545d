import { useQuery } from "@tanstack/react-query";
import type { ReactElement, ReactNode } from "react";
import { ApiError } from "@/shared/api/client";
import { receiptQuery } from "@/shared/api/queries";
import type { Receipt } from "@/shared/api/types";
import { addressMoment, formatBytes, formatDuration, formatExactMoment, words } from "@/shared/format";
import { indentJson } from "@/shared/json";
import { oneValue } from "@/shared/search/search";
import { Money } from "@/shared/ui/figures/Money";
import { ErrorNotice } from "@/shared/ui/page/ErrorNotice";
import { KeyName } from "@/shared/ui/page/KeyName";
import { RowsLink } from "@/shared/ui/tables/RowsLink";
import { StateBadge } from "./badges";
import { Evidence } from "./Evidence";
import { ReceiptLines } from "./ReceiptLines";

interface ReceiptPanelProps {
  id: string;
  tz: string;
  close: () => void;
}

/** Why a call cost what it cost: every quantity times its unit price, and where the price is from. */
export function ReceiptPanel({ id, tz, close }: ReceiptPanelProps): ReactElement {
  const receipt = useQuery(receiptQuery(id));
  return (
    <aside
      aria-label="Receipt"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keys
      tabIndex={0}
      className="card fixed inset-x-0 bottom-0 z-30 max-h-[85dvh] overflow-y-auto rounded-b-none p-5 pt-0 sm:inset-x-3 sm:bottom-3 sm:rounded-b-[14px] xl:sticky xl:inset-auto xl:top-20 xl:max-h-[calc(100vh-6rem)] xl:self-start xl:p-6 xl:pt-0"
    >
      <div className="sticky top-0 z-10 -mx-5 mb-2 flex items-center justify-between bg-card px-5 pt-4 pb-2 xl:-mx-6 xl:px-6 xl:pt-5">
        <h2 className="text-[13.5px] font-semibold">Receipt</h2>
        <button
          type="button"
          onClick={close}
          aria-label="Close the receipt"
          title="Esc"
          className="-mr-2 min-h-7 rounded-md px-2.5 py-1 text-[13px] font-medium text-soft hover:bg-sunken hover:text-ink"
        >
          Close
        </button>
      </div>
      {receipt.isPending ? (
        <div className="skeleton h-72" />
      ) : receipt.isError ? (
        <NoReceipt id={id} error={receipt.error} retry={() => void receipt.refetch()} />
      ) : (
        <ReceiptBody receipt={receipt.data} tz={tz} />
      )}
    </aside>
  );
}

function NoReceipt({ id, error, retry }: { id: string; error: Error; retry: () => void }): ReactElement {
  if (!(error instanceof ApiError && error.status === 404))
    return <ErrorNotice error={error} retry={retry} />;
  return (
    <div role="alert" className="text-[13px]">
      <p className="text-[15px] font-medium">There is no such call here.</p>
      <p className="mt-1.5 text-soft">
        No call that Farebox has recorded has the id{" "}
        <span className="font-mono break-all text-ink">{id}</span>. It may belong to another Farebox.
      </p>
    </div>
  );
}

function ReceiptBody({ receipt, tz }: { receipt: Receipt; tz: string }): ReactElement {
  const { call } = receipt;
  return (
    <div className="flex flex-col gap-6 text-[13px]">
      <header>
        <p className="flex items-center gap-3">
          <span
            data-testid="receipt-cost"
            className="text-[30px] leading-none font-semibold tracking-[-0.03em]"
          >
            <Money
              pico={call.cost_pico}
              atLeast={call.cost_state === "unpriced" && call.cost_pico !== null}
            />
          </span>
          <StateBadge state={call.cost_state} />
        </p>
        <p className="mt-2.5 font-medium break-all">{call.model ?? call.surface}</p>
        <p className="text-soft">{formatExactMoment(call.occurred_at, tz).split(" · ")[0]}</p>
      </header>
      {receipt.parts.map((part, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: parts of a row never move
        <ReceiptLines key={index} part={part} only={receipt.parts.length === 1} />
      ))}
      {receipt.parts.length === 0 ? <p className="text-soft">{whyNothing(receipt)}</p> : null}
      <Timings receipt={receipt} />
      <Facts
        title="Who"
        rows={Object.entries(receipt.attribution)
          .filter(([name]) => name !== "key_label") // the key itself is below, by the name it has now
          .map(([name, value]) => [words(name), value, receipt.attribution_from[name]])}
      />
      <Evidence receipt={receipt} tz={tz} />
      <Facts title="What" rows={whatRows(receipt)} />
      <Around receipt={receipt} tz={tz} />
      {receipt.raw_usage ? (
        <details>
          <summary className="cursor-pointer font-medium">Usage as the provider wrote it</summary>
          <pre className="mt-2 overflow-x-auto rounded-lg bg-sunken p-3 font-mono text-[12px] leading-relaxed">
            {indentJson(receipt.raw_usage)}
          </pre>
        </details>
      ) : null}
      <p className="text-[12px] text-soft">Prompts and responses are not stored.</p>
    </div>
  );
}

function Timings({ receipt }: { receipt: Receipt }): ReactElement {
  const { first_byte_us: first, total_us: total } = receipt.call;
  const share = total > 0 ? Math.min(100, (first / total) * 100) : 0;
  return (
    <section>
      <h3 className="font-medium">Time</h3>
      <div className="mt-2 flex h-1.5 overflow-hidden rounded-full bg-sunken" aria-hidden="true">
        <span style={{ width: `${share}%`, background: "var(--s6)" }} />
        <span className="flex-1" style={{ background: "var(--s1)" }} />
      </div>
      <p className="mt-2 flex justify-between text-soft">
        <span>{formatDuration(first)} to first byte</span>
        <span>{formatDuration(total)} in all</span>
      </p>
      {receipt.added_us > 0 ? (
        <p className="text-soft">{formatDuration(receipt.added_us)} of it inside Farebox</p>
      ) : null}
    </section>
  );
}

/** The calls of the same minutes with the same key: a retry's other attempts are among them. */
function Around({ receipt, tz }: { receipt: Receipt; tz: string }): ReactElement {
  const { call } = receipt;
  const at = Date.parse(call.occurred_at);
  const where = {
    since: addressMoment(at - 120_000, tz),
    until: addressMoment(at + 180_000, tz),
    ...(call.key_fingerprint ? { key: call.key_fingerprint } : {}),
    call: call.event_id,
  };
  const others = call.session ? { session: oneValue(call.session), call: call.event_id } : null;
  return (
    <p className="flex flex-wrap gap-x-4 text-[12.5px] text-accent">
      <RowsLink where={where} title="With the same key, two minutes before and after">
        {receipt.attempt > 0 ? "Its other attempts" : "Calls around it"}
      </RowsLink>
      {others ? <RowsLink where={others}>Its session's calls</RowsLink> : null}
    </p>
  );
}

type FactRow = [label: string, value: ReactNode, note?: string | undefined];

function Facts({ title, rows }: { title: string; rows: FactRow[] }): ReactElement | null {
  const given = rows.filter(([, value]) => value !== null && value !== "");
  if (given.length === 0) return null;
  return (
    <section>
      <h3 className="font-medium">{title}</h3>
      <dl className="mt-1.5 grid grid-cols-[7.5rem_minmax(0,1fr)] gap-x-3 gap-y-1">
        {given.map(([label, value, note]) => (
          <div key={label} className="contents">
            <dt className="text-soft">{label}</dt>
            <dd className="break-words">
              {value}
              {note ? <span className="ml-2 text-[12px] text-soft">{note}</span> : null}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function whatRows(receipt: Receipt): FactRow[] {
  const { call } = receipt;
  const mono = (text: string | null): ReactNode =>
    text === null ? null : <span className="font-mono text-[12px] break-all">{text}</span>;
  return [
    ["Endpoint", call.surface],
    ["Asked for", receipt.request_model === receipt.response_model ? null : receipt.request_model],
    ["Served by", receipt.request_model === receipt.response_model ? null : receipt.response_model],
    ["Outcome", `${words(call.outcome)}${call.status ? ` · HTTP ${call.status}` : ""}`],
    ["Error", [call.error_class, receipt.error_code].filter(Boolean).join(" · ")],
    [
      "Usage",
      `${call.completeness}${receipt.completeness_reason ? ` · ${words(receipt.completeness_reason)}` : ""}`,
    ],
    ["Not billable", receipt.not_billable_because && words(receipt.not_billable_because)],
    ["API key", call.key_fingerprint && <KeyName fingerprint={call.key_fingerprint} />],
    ["Sent to", mono(receipt.host && `${receipt.method} ${receipt.host}${receipt.path}`)],
    ["Bytes", `${formatBytes(receipt.request_bytes)} up · ${formatBytes(receipt.response_bytes)} down`],
    ["Attempt", receipt.attempt > 0 ? `retry ${receipt.attempt}, by the SDK's own count` : null],
    ["Flags", receipt.flags.join(", ")],
    ["Response id", mono(receipt.response_id)],
    ["Call id", mono(call.event_id)],
  ];
}

function whyNothing(receipt: Receipt): string {
  const reason = receipt.not_billable_because ?? receipt.completeness_reason;
  return reason ? `Nothing to price: ${words(reason).toLowerCase()}.` : "Nothing to price in this call.";
}
