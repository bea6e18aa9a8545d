/** What can be done about wallets, coupons and payees, as the API takes it. */

import { queryOptions } from "@tanstack/react-query";
import { allRows, type PageAsked } from "@/shared/api/all-rows";
import { get, send } from "@/shared/api/client";
import type {
  AddOnRequest,
  AddOnState,
  CouponRequest,
  CouponState,
  TermPreview,
  WalletShown,
} from "@/shared/api/types";

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

export function giveCoupon(said: CouponRequest): Promise<CouponState> {
  return send("POST", "coupons", said);
}

export function previewCoupon(said: CouponRequest): Promise<TermPreview> {
  return send("POST", "coupons/preview", said);
}

export function giveAddOn(said: AddOnRequest): Promise<AddOnState> {
  return send("POST", "add-ons", said);
}

export function previewAddOn(said: AddOnRequest): Promise<TermPreview> {
  return send("POST", "add-ons/preview", said);
}

export function endAddOn(id: string): Promise<AddOnState> {
  return send("DELETE", "add-ons/{id}", undefined, { id });
}

export function endCoupon(id: string): Promise<CouponState> {
  return send("DELETE", "coupons/{id}", undefined, { id });
}

export const payeesQuery = queryOptions({
  queryKey: [PAYEES],
  queryFn: ({ signal }) => allRows((page: PageAsked) => get("payees", page, signal), "payees"),
});

export function statementsQuery(payee: string, month: string, tz: string) {
  return queryOptions({
    queryKey: [PAYEES, payee, month, tz],
    queryFn: ({ signal }) => get("payees/statements", { payee, month, tz }, signal),
  });
}
