/** What the portal's page asks, keyed by the request. */

import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { ask } from "./portal-api";
import type {
  PortalAccount,
  PortalCalls,
  PortalCharges,
  PortalDocument,
  PortalInvoices,
  PortalLook,
  PortalReceipt,
  PortalUsage,
} from "./types";

export type Dimension = "model" | "agent" | "task" | "session";

/** Which calls are meant: the last days, the running period, or an invoice's as it was made. */
export interface Span {
  span?: "period" | "30d" | "90d";
  invoice?: string;
}

export const lookQuery = queryOptions({
  queryKey: ["look"],
  queryFn: ({ signal }) => ask<PortalLook>("look", {}, signal),
  staleTime: Number.POSITIVE_INFINITY,
});

export const accountQuery = queryOptions({
  queryKey: ["account"],
  queryFn: ({ signal }) => ask<PortalAccount>("account", {}, signal),
});

export const chargesQuery = queryOptions({
  queryKey: ["charges"],
  queryFn: ({ signal }) => ask<PortalCharges>("charges", {}, signal),
});

export const invoicesQuery = queryOptions({
  queryKey: ["invoices"],
  queryFn: ({ signal }) => ask<PortalInvoices>("invoices", {}, signal),
});

export function invoiceQuery(number: string) {
  return queryOptions({
    queryKey: ["invoice", number],
    queryFn: ({ signal }) => ask<PortalDocument>(`invoices/${encodeURIComponent(number)}`, {}, signal),
  });
}

export function usageQuery(span: Span, by: Dimension) {
  return queryOptions({
    queryKey: ["usage", span, by],
    queryFn: ({ signal }) => ask<PortalUsage>("usage", { ...span, by }, signal),
    placeholderData: keepPreviousData,
  });
}

export function callsQuery(span: Span) {
  return infiniteQueryOptions({
    queryKey: ["calls", span],
    queryFn: ({ signal, pageParam }) =>
      ask<PortalCalls & { next_cursor: string | null }>("calls", { ...span, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
}

export function receiptQuery(id: string) {
  return queryOptions({
    queryKey: ["call", id],
    queryFn: ({ signal }) => ask<PortalReceipt>(`calls/${id}`, {}, signal),
  });
}
