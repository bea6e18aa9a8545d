/** What can be done about plans and subscriptions, as the API takes it. */

import { send } from "@/shared/api/client";
import type { Changes, Subscriptions } from "@/shared/api/types";

/** What a YAML text would change; nothing is stored. */
export function previewTerms(text: string): Promise<Changes> {
  return send("POST", "plans/preview", text);
}

export function applyTerms(text: string): Promise<Changes> {
  return send("PUT", "plans", text);
}

export function retirePlan(plan: string): Promise<unknown> {
  return send("DELETE", "plans", undefined, { plan });
}

export interface NewSubscription {
  customer: string;
  plan: string;
  start: string;
}

export function subscribe(said: NewSubscription): Promise<Changes> {
  return send("PUT", "subscriptions", { subscriptions: [said] });
}

export function changeSubscription(said: {
  customer: string;
  plan: string;
  at: string;
  instead_of: string;
}): Promise<Subscriptions> {
  return send("POST", "subscriptions/change", said);
}

export function endSubscription(said: {
  customer: string;
  plan: string;
  at: string;
}): Promise<Subscriptions> {
  return send("POST", "subscriptions/end", said);
}
