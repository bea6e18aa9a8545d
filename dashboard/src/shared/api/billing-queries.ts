/** Questions about customers and what they owe, which several screens ask. */

import { queryOptions } from "@tanstack/react-query";
import { allRows, type PageAsked } from "./all-rows";
import { ApiError, get } from "./client";
import type { PreviewedDocuments, WalletShown } from "./types";

export const CUSTOMERS = "customers";
export const PLANS = "plans";
export const SUBSCRIPTIONS = "subscriptions";
export const INVOICES = "invoices";
export const DOCUMENTS = "documents";
export const WALLETS = "wallets";
export const COUPONS = "coupons";
export const ADD_ONS = "add-ons";
export const IDENTITIES = "identities";

/** What the terms of customers change when they are applied. */
export const TERMS = [CUSTOMERS, PLANS, SUBSCRIPTIONS, DOCUMENTS];

export const customersQuery = queryOptions({
  queryKey: [CUSTOMERS],
  queryFn: ({ signal }) => allRows((page: PageAsked) => get("customers", page, signal), "customers"),
});

export const plansQuery = queryOptions({
  queryKey: [PLANS],
  queryFn: ({ signal }) => allRows((page: PageAsked) => get("plans", page, signal), "plans"),
});

/** Every version of a plan, the newest first. */
export function planQuery(plan: string) {
  return queryOptions({
    queryKey: [PLANS, plan],
    queryFn: ({ signal }) => get("plans", { plan }, signal),
  });
}

export const subscriptionsQuery = queryOptions({
  queryKey: [SUBSCRIPTIONS],
  queryFn: ({ signal }) => allRows((page: PageAsked) => get("subscriptions", page, signal), "subscriptions"),
});

export function invoicesQuery(customer?: string) {
  return queryOptions({
    queryKey: [INVOICES, customer],
    queryFn: ({ signal }) =>
      allRows((page: PageAsked) => get("invoices", { customer, ...page }, signal), "invoices"),
  });
}

export function documentQuery(id: string) {
  return queryOptions({
    queryKey: [DOCUMENTS, id],
    queryFn: ({ signal }) => get("documents/{id}", { id }, signal),
  });
}

/** What a customer's running period comes to by now, or in words why that cannot be told. */
export function previewQuery(customer: string) {
  return queryOptions({
    queryKey: [DOCUMENTS, "preview", customer],
    queryFn: async ({ signal }): Promise<PreviewedDocuments | string> => {
      try {
        return await get("documents/preview", { customer }, signal);
      } catch (error) {
        if (error instanceof ApiError && error.status === 422) return error.message;
        throw error;
      }
    },
  });
}

export const walletsQuery = queryOptions({
  queryKey: [WALLETS],
  queryFn: ({ signal }) => allRows((page: PageAsked) => get("wallets", page, signal), "wallets"),
});

/** A customer's wallet; null where there is none. */
export function walletQuery(customer: string) {
  return queryOptions({
    queryKey: [WALLETS, customer],
    queryFn: async ({ signal }): Promise<WalletShown | null> => {
      const { wallets } = await allRows((page: PageAsked) => get("wallets", page, signal), "wallets");
      if (!wallets.some((wallet) => wallet.customer === customer)) return null;
      return get("wallets/of", { customer }, signal);
    },
  });
}

export function couponsQuery(customer?: string) {
  return queryOptions({
    queryKey: [COUPONS, customer],
    queryFn: ({ signal }) =>
      allRows((page: PageAsked) => get("coupons", { customer, ...page }, signal), "coupons"),
  });
}

export const addOnsQuery = queryOptions({
  queryKey: [ADD_ONS],
  queryFn: ({ signal }) => allRows((page: PageAsked) => get("add-ons", page, signal), "add_ons"),
});

/** Which keys, users, agents and tags stand for which customer. */
export const identitiesQuery = queryOptions({
  queryKey: [IDENTITIES],
  queryFn: ({ signal }) => allRows((page: PageAsked) => get("identities", page, signal), "identities"),
});
