import { queryOptions } from "@tanstack/react-query";
import { allRows, type PageAsked } from "@/shared/api/all-rows";
import { get, send } from "@/shared/api/client";
import type { AlertSimulation, Alerts, AlertTrial, AlertView } from "@/shared/api/types";

export const ALERTS = "alerts";
export const ALERT_EVENTS = "alert-events";

export const alertsQuery = queryOptions({
  queryKey: [ALERTS],
  queryFn: ({ signal }) => allRows((page: PageAsked) => get("alerts", page, signal), "alerts"),
  refetchInterval: 15_000,
});

/** How each kind of alert is written. */
export const kindsQuery = queryOptions({
  queryKey: ["alert-kinds"],
  queryFn: ({ signal }) => get("alert-kinds", {}, signal),
  staleTime: Number.POSITIVE_INFINITY,
});

export function historyQuery(alert: string | undefined, limit: number) {
  return queryOptions({
    queryKey: [ALERT_EVENTS, alert, limit],
    queryFn: ({ signal }) => get("alert-events", { alert, limit }, signal),
    refetchInterval: 15_000,
  });
}

export type Definition = Record<string, unknown>;

export function setAlert({ name, definition }: { name: string; definition: Definition }): Promise<AlertView> {
  return send("PUT", "alerts/{name}", definition, { name });
}

export function removeAlert(name: string): Promise<Alerts> {
  return send("DELETE", "alerts/{name}", undefined, { name });
}

export function testAlert(name: string): Promise<AlertTrial> {
  return send("POST", "alerts/{name}/test", undefined, { name });
}

export interface Snoozing {
  name: string;
  span: string;
  value: string;
  reason: string;
}

export function snoozeAlert({ name, span, value, reason }: Snoozing): Promise<AlertView> {
  return send("PUT", "alerts/{name}/snooze", { for: span, value, reason }, { name });
}

export function unsnoozeAlert({ name, value }: { name: string; value: string | null }): Promise<AlertView> {
  return send("DELETE", "alerts/{name}/snooze", undefined, { name, value: value ?? undefined });
}

/** What an alert that is set would have told of the last 30 days. */
export function simulateAlert(name: string, tz: string): Promise<AlertSimulation> {
  return get("alert-simulation", { alert: name, since: "30d", tz });
}

/** The same of one that is not set yet. */
export function simulateDefinition(
  name: string,
  definition: Definition,
  tz: string,
): Promise<AlertSimulation> {
  return send("POST", "alert-simulation", { ...definition, name: name || "new" }, { since: "30d", tz });
}
