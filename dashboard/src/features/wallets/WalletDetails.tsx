import { Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import { WALLETS } from "@/shared/api/billing-queries";
import type { GrantState, WalletMove, WalletShown, WalletState } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { Confirm } from "@/shared/ui/dialogs/Modal";
import { Facts } from "@/shared/ui/dialogs/SidePanel";
import { Amount } from "@/shared/ui/figures/Amount";
import { SideButton, TextButton } from "@/shared/ui/forms/buttons";
import { TextField } from "@/shared/ui/forms/fields";
import { StatusChip } from "@/shared/ui/page/StatusChip";
import { setWalletLimits, voidGrant } from "./changes";
import { GrantDialog } from "./GrantDialog";

const MOVES: Record<string, string> = {
  grant: "granted",
  pay: "paid an invoice",
  refund: "given back",
  expire: "expired",
  revive: "came back",
  void: "taken back",
  settle: "settled",
  "invoice.void": "invoice voided",
};

/** A wallet: what is in it, in the order in which it pays, and what moved. */
export function WalletDetails({
  found,
  mayChange,
}: {
  found: WalletShown;
  mayChange: boolean;
}): ReactElement {
  const { wallet, transactions } = found;
  const [asked, setAsked] = useState<"grant" | "limits" | null>(null);
  const [taken, setTaken] = useState<GrantState | null>(null);
  return (
    <div className="flex flex-col gap-5 text-[13px]">
      <Facts
        rows={[
          ["Balance", <Amount key="balance" text={wallet.balance} currency={wallet.currency} />],
          ["Usable now", <Amount key="usable" text={wallet.usable} currency={wallet.currency} />],
          ["Overdraft", <Amount key="overdraft" text={wallet.overdraft} currency={wallet.currency} />],
          ["Low below", wallet.low && <Amount key="low" text={wallet.low} currency={wallet.currency} />],
          [
            "Asks then for",
            wallet.top_up && <Amount key="top" text={wallet.top_up} currency={wallet.currency} />,
          ],
        ]}
      />
      {mayChange ? (
        <div className="flex flex-wrap gap-2">
          <SideButton onClick={() => setAsked("grant")}>Grant…</SideButton>
          <SideButton onClick={() => setAsked("limits")}>Limits…</SideButton>
        </div>
      ) : null}
      <section>
        <h3 className="font-medium">Grants, in the order in which they pay</h3>
        {wallet.grants.length === 0 ? <p className="mt-1 text-soft">None.</p> : null}
        <ul className="mt-1 flex flex-col">
          {wallet.grants.map((grant) => (
            <li key={grant.id} className="border-t border-line py-2 first:border-t-0">
              <p className="flex items-baseline justify-between gap-3">
                <span className="font-medium">
                  <Amount text={grant.left} currency={wallet.currency} />{" "}
                  <span className="font-normal text-soft">
                    of <Amount text={grant.amount} currency={wallet.currency} />, {grant.kind}
                  </span>
                </span>
                <StatusChip status={grant.state} />
              </p>
              <p className="text-[12.5px] text-soft">
                {[
                  grant.note,
                  grant.expires_at ? `expires ${grant.expires_at.slice(0, 10)}` : "never expires",
                  grant.charges.length > 0 ? `only for ${grant.charges.join(", ")}` : "",
                  grant.meters.length > 0 ? `only for ${grant.meters.join(", ")}` : "",
                ]
                  .filter(Boolean)
                  .join(" · ")}
                {mayChange && (grant.state === "in force" || grant.state === "later") ? (
                  <TextButton className="ml-2 !text-[12.5px]" onClick={() => setTaken(grant)}>
                    Take back
                  </TextButton>
                ) : null}
              </p>
            </li>
          ))}
        </ul>
      </section>
      <section>
        <h3 className="font-medium">What moved</h3>
        {transactions.length === 0 ? <p className="mt-1 text-soft">Nothing yet.</p> : null}
        <ul className="mt-1 flex flex-col gap-1">
          {transactions.map((each) => (
            <li
              key={`${each.at} ${each.kind} ${each.reference} ${each.amount}`}
              className="flex items-baseline gap-3"
            >
              <span className="min-w-0 flex-1">
                {MOVES[each.kind] ?? each.kind}
                <span className="block text-[12px] text-faint">
                  {each.at.slice(0, 10)} · <Reference move={each} /> · {each.actor}
                </span>
              </span>
              <Amount text={each.amount} currency={wallet.currency} />
            </li>
          ))}
        </ul>
      </section>
      {asked === "grant" ? (
        <GrantDialog customer={wallet.customer} customers={[]} close={() => setAsked(null)} />
      ) : null}
      {asked === "limits" ? <LimitsDialog wallet={wallet} close={() => setAsked(null)} /> : null}
      {taken ? <TakeBack grant={taken} currency={wallet.currency} close={() => setTaken(null)} /> : null}
    </div>
  );
}

/** What a move is about: an invoice can be opened. */
function Reference({ move }: { move: WalletMove }): ReactElement {
  const short = move.reference.slice(0, 12);
  if (!["pay", "refund", "invoice.void"].includes(move.kind)) return <>{short}</>;
  return (
    <Link
      to={"/billing" as never}
      search={{ invoice: move.reference } as never}
      className="text-accent underline underline-offset-4"
    >
      {short}
    </Link>
  );
}

function TakeBack({
  grant,
  currency,
  close,
}: {
  grant: GrantState;
  currency: string;
  close: () => void;
}): ReactElement {
  const [reason, setReason] = useState("");
  const take = useChange(voidGrant, [WALLETS], close);
  return (
    <Confirm
      title="Take back what is left of this grant?"
      words={["What it has paid stays paid."]}
      deed="Take it back"
      dangerous
      act={() => take.mutate({ id: grant.id, reason })}
      close={close}
      pending={take.isPending}
      error={take.error}
    >
      <p className="mt-2 text-[13.5px]">
        <Amount text={grant.left} currency={currency} /> is left of it.
      </p>
      <div className="mt-3">
        <TextField label="Why" value={reason} change={setReason} />
      </div>
    </Confirm>
  );
}

function LimitsDialog({ wallet, close }: { wallet: WalletState; close: () => void }): ReactElement {
  const [said, setSaid] = useState({
    overdraft: wallet.overdraft,
    low: wallet.low ?? "",
    top_up: wallet.top_up ?? "",
  });
  const set = useChange(setWalletLimits, [WALLETS], close);
  const orNone = (text: string): string => text.trim() || "none";
  return (
    <Confirm
      title={`Limits of ${wallet.customer}'s wallet`}
      words={["Below “low”, whoever subscribed to wallet.low is told, and how much is asked for."]}
      deed="Set the limits"
      act={() =>
        set.mutate({
          customer: wallet.customer,
          overdraft: orNone(said.overdraft),
          low: orNone(said.low),
          top_up: orNone(said.top_up),
        })
      }
      close={close}
      pending={set.isPending}
      error={set.error}
    >
      <div className="mt-3 flex flex-col gap-1">
        <TextField
          label={`May go below zero by, in ${wallet.currency}`}
          value={said.overdraft}
          change={(overdraft) => setSaid({ ...said, overdraft })}
        />
        <TextField
          label="Is low below"
          value={said.low}
          change={(low) => setSaid({ ...said, low })}
          hint="Empty: never"
        />
        <TextField
          label="Asks then for"
          value={said.top_up}
          change={(top_up) => setSaid({ ...said, top_up })}
          hint="Empty: nothing"
        />
      </div>
    </Confirm>
  );
}
