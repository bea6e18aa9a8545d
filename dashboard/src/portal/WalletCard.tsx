import type { ReactElement } from "react";
import { formatAmount } from "@/shared/amount";
import { formatDay, words } from "@/shared/format";
import { Card } from "@/shared/ui/page/Card";
import type { PortalWallet } from "./types";

/** Prepaid money: what is left, until when, and what moved. */
export function WalletCard({ wallet, tz }: { wallet: PortalWallet; tz: string }): ReactElement {
  const amount = (text: string): string => formatAmount(text, wallet.currency);
  return (
    <Card title="Wallet">
      <p className="text-[26px] leading-tight font-semibold tracking-[-0.02em]">{amount(wallet.usable)}</p>
      <p className="text-[12.5px] text-soft">
        left to pay invoices with
        {wallet.usable !== wallet.balance ? `; ${amount(wallet.balance)} with what is not in force` : ""}
      </p>
      {wallet.grants.length > 0 ? (
        <ul className="mt-4 flex flex-col gap-1 text-[13px]">
          {wallet.grants.map((grant) => (
            <li
              key={`${grant.kind}${grant.amount}${grant.expires_at}`}
              className="flex flex-wrap justify-between gap-x-4"
            >
              <span>
                {words(grant.kind)}, {amount(grant.left)} of {amount(grant.amount)} left
              </span>
              <span className="text-soft">
                {grant.expires_at ? `until ${grant.expires_at.slice(0, 10)}` : "without an end"}
              </span>
            </li>
          ))}
        </ul>
      ) : null}
      {wallet.moves.length > 0 ? (
        <details className="mt-4 text-[13px]">
          <summary className="cursor-pointer font-medium text-soft hover:text-ink">Transactions</summary>
          <ul className="mt-2">
            {wallet.moves.map((move) => (
              <li
                key={`${move.at}${move.kind}${move.amount}${move.reference}`}
                className="flex flex-wrap justify-between gap-x-4 border-t border-line py-1.5"
              >
                <span>
                  {formatDay(new Date(move.at), tz)} · {words(move.kind)}
                </span>
                <span>{amount(move.amount)}</span>
              </li>
            ))}
          </ul>
        </details>
      ) : null}
    </Card>
  );
}
