/** What can be done about invoices, as the API takes it. */

import { queryOptions } from "@tanstack/react-query";
import { get, send } from "@/shared/api/client";
import type { InvoiceShown, NoteShown, RunShown } from "@/shared/api/types";

export interface Acceptance {
  accept_gap: boolean;
  accept_unpriced: boolean;
}

export interface RunSettings extends Acceptance {
  drafts_only: boolean;
}

export function runInvoices(said: RunSettings): Promise<RunShown> {
  return send("POST", "invoices/run", said);
}

export function finalizeDraft(said: { draft: string } & Acceptance): Promise<InvoiceShown> {
  return send("POST", "invoices/finalize", said);
}

export function voidInvoice(said: { invoice: string; reason: string }): Promise<InvoiceShown> {
  return send("POST", "invoices/void", said);
}

export interface Crediting {
  invoice: string;
  /** Line to amount before tax; null for everything that is left. */
  lines: Record<string, string> | null;
  reason: string;
}

export function creditInvoice(said: Crediting): Promise<NoteShown> {
  return send("POST", "invoices/credit-notes", said);
}

export function explanationQuery(line: string) {
  return queryOptions({
    queryKey: ["explanation", line],
    queryFn: ({ signal }) => get("invoices/explanation", { line }, signal),
    staleTime: Number.POSITIVE_INFINITY, // a final invoice and the record up to it never change
  });
}
