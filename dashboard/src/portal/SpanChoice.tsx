import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { invoicesQuery, type Span } from "./portal-queries";

const DAYS: readonly (readonly [string, string])[] = [
  ["period", "This period"],
  ["30d", "Last 30 days"],
  ["90d", "Last 90 days"],
];

/** Which time is meant: the running period, the last days, or what an invoice bills. */
export function SpanChoice({ span, choose }: { span: Span; choose: (span: Span) => void }): ReactElement {
  const invoices = useQuery(invoicesQuery).data?.invoices ?? [];
  const periods = invoices.filter(({ kind, status }) => kind === "period" && status === "final");
  return (
    <label className="flex items-center gap-2 text-[13px] text-soft">
      <span>Time</span>
      <select
        value={span.invoice ?? span.span ?? "period"}
        onChange={({ target: { value } }) =>
          choose(
            DAYS.some(([name]) => name === value)
              ? { span: value as NonNullable<Span["span"]> }
              : { invoice: value },
          )
        }
        className="max-w-full rounded-lg border border-line bg-card px-2.5 py-1.5 text-ink"
      >
        {DAYS.map(([name, title]) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
        {periods.map(({ number, first_day, last_day }) => (
          <option key={number} value={number}>
            {number}: {first_day} to {last_day}
          </option>
        ))}
      </select>
    </label>
  );
}
