/** What can be done about wallets, coupons and payees, as the API takes it. */

import { queryOptions } from "@tanstack/react-query";
import { get, send } from "@/shared/api/client";
import type { CouponState, WalletShown } from "@/shared/api/types";

export const PAYEES = "payees";

export interface Granting {
  customer: string;
  amount: string;
  kind: "paid" | "promotional";
  expires: string | null;
  note: string;
}

export function grantCredit(said: Granting): Promise<WalletShown> {
  return send("POST", "wallets/grants", said);
}

export function voidGrant({ id, reason }: { id: string; reason: string }): Promise<WalletShown> {
  return send("DELETE", "wallets/grants/{id}", undefined, { id, reason });
}

export function setWalletLimits(said: {
  customer: string;
  overdraft: string;
  low: string;
  top_up: string;
}): Promise<WalletShown> {
  return send("PUT", "wallets", said);
}

export interface NewCoupon {
  customer: string;
  name: string;
  percent: string | null;
  amount: string | null;
  until: string | null;
  invoices: number | null;
}

export function giveCoupon(said: NewCoupon): Promise<CouponState> {
  return send("POST", "coupons", said);
}

export function endCoupon(id: string): Promise<CouponState> {
  return send("DELETE", "coupons/{id}", undefined, { id });
}

export const payeesQuery = queryOptions({
  queryKey: [PAYEES],
  queryFn: ({ signal }) => get("payees", {}, signal),
});

export function statementsQuery(payee: string, month: string, tz: string) {
  return queryOptions({
    queryKey: [PAYEES, payee, month, tz],
    queryFn: ({ signal }) => get("payees/statements", { payee, month, tz }, signal),
  });
}
