import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { formatCount, formatExactMoment } from "@/shared/format";
import { Facts, SidePanel } from "@/shared/ui/dialogs/SidePanel";
import { Asked } from "./Asked";
import { formatExact } from "./exact-amount";
import { receiptQuery } from "./portal-queries";
import type { ChargedPart, PortalReceipt } from "./types";

const CLASS: Record<string, string> = {
  input: "Input",
  cache_read: "Input from a cache",
  cache_creation: "Input to a cache",
  output: "Output",
  reasoning: "Reasoning",
  other: "All else",
};

/** One call as it is charged: tokens by class times what is paid for them. */
export function Receipt({ id, tz, close }: { id: string; tz: string; close: () => void }): ReactElement {
  const receipt = useQuery(receiptQuery(id));
  return (
    <SidePanel title="Receipt" close={close}>
      <Asked query={receipt} height="h-48">
        {(found) => <Body receipt={found} tz={tz} />}
      </Asked>
    </SidePanel>
  );
}

function Body({ receipt, tz }: { receipt: PortalReceipt; tz: string }): ReactElement {
  const { call, charge, invoice } = receipt;
  const amount = (text: string): string => formatExact(text, call.currency);
  return (
    <>
      <Facts
        rows={[
          ["Time", formatExactMoment(call.occurred_at, tz)],
          ["Model", call.model],
          ["Agent", call.agent],
          ["Task", call.task],
          ["Conversation", call.session],
          ["Invoice", invoice ?? "none yet"],
          [
            "Call",
            <code key="id" className="text-[11.5px] break-all">
              {call.event_id}
            </code>,
          ],
        ]}
      />
      {charge === null ? (
        <p className="text-soft">No plan was in force when it was made, so nothing charges it.</p>
      ) : charge.parts.length === 0 ? (
        <p className="text-soft">Nothing of it is charged.</p>
      ) : (
        <>
          <ul className="border-t border-line text-[13px]">
            {charge.classes.map((each) => (
              <li key={each.name} className="border-b border-line py-2">
                <p className="flex items-baseline justify-between gap-3 font-medium">
                  <span>{CLASS[each.name] ?? each.name}</span>
                  <span className="text-right break-all">{amount(each.amount)}</span>
                </p>
                {each.tokens > 0 ? (
                  <p className="text-soft">
                    {formatCount(each.tokens)} tokens
                    {each.per_million !== null ? ` × ${each.per_million} ${call.currency} per million` : ""}
                  </p>
                ) : null}
              </li>
            ))}
            {charge.for_the_call !== "0" ? (
              <li className="flex items-baseline justify-between gap-3 border-b border-line py-2 font-medium">
                <span>The call itself</span>
                <span>{amount(charge.for_the_call)}</span>
              </li>
            ) : null}
          </ul>
          <p className="flex items-baseline justify-between gap-3 text-[15px] font-semibold">
            <span>Charged</span>
            <span className="text-right break-all" data-testid="charged">
              {charge.amount === null ? "see below" : amount(charge.amount)}
            </span>
          </p>
          <Parts parts={charge.parts} amount={amount} />
          <p className="text-[12px] text-soft">
            Exact amounts: they are added up first, and each line of an invoice is rounded once. Discounts,
            minimums and taxes are on the invoice.
            {receipt.billed_as_of_invoice ? ` This is how ${invoice} has it.` : ""}
          </p>
        </>
      )}
    </>
  );
}

function Parts({
  parts,
  amount,
}: {
  parts: readonly ChargedPart[];
  amount: (text: string) => string;
}): ReactElement {
  return (
    <section aria-label="On the invoice">
      <h3 className="text-[13px] font-medium">On the invoice</h3>
      <ul className="mt-1 flex flex-col gap-1.5 text-[13px]">
        {parts.map((part, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a call is on a charge once for each subscription
          <li key={at}>
            <p className="flex items-baseline justify-between gap-3">
              <span>{part.charge}</span>
              <span className="text-right break-all">{part.amount === null ? "–" : amount(part.amount)}</span>
            </p>
            {part.quantity !== null || part.note ? (
              <p className="text-[12.5px] text-soft">
                {[
                  part.quantity === null ? "" : `${part.quantity} ${part.unit ?? ""}`.trim(),
                  part.price === null ? "" : `at ${part.price}`,
                  part.note,
                ]
                  .filter(Boolean)
                  .join(" · ")}
              </p>
            ) : null}
          </li>
        ))}
      </ul>
    </section>
  );
}
