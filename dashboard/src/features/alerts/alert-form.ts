/** An alert as a form holds it, and as the API takes it. Which settings there are is told by the API, by kind. */

import type { AlertKind, AlertView } from "@/shared/api/types";
import { filtersText, readFilters } from "@/shared/filters-text";
import type { Definition } from "./queries";

export interface AlertForm {
  name: string;
  kind: string;
  /** What is watched: a measure, a budget's name, a span. */
  subject: string;
  /** Thresholds, with commas. */
  at: string;
  where: string;
  /** The other settings of the kind, as they are written. */
  settings: Record<string, string>;
  to: string[];
  severity: string;
}

export function newAlert(form: AlertKind, channels: readonly string[]): AlertForm {
  return {
    name: "",
    kind: form.kind,
    subject: form.subject || form.words[0] || "",
    at: form.thresholds.join(", "),
    where: "",
    settings: Object.fromEntries(settingsOf(form).map((name) => [name, form.usual[name] ?? ""])),
    to: channels.length === 1 ? [...channels] : [],
    severity: form.severity,
  };
}

/** The settings of a kind that have a field of their own. */
export function settingsOf(form: AlertKind): string[] {
  return form.keys.filter((key) => key !== "where");
}

export function formOf(alert: AlertView, form: AlertKind): AlertForm {
  const { definition } = alert as { definition: Definition };
  const own = definition[form.kind];
  return {
    name: alert.name,
    kind: form.kind,
    subject: typeof own === "string" ? own : "",
    at: form.threshold_key === null ? "" : listText(definition[form.threshold_key]),
    where: filtersText((definition.where as Record<string, string[]> | undefined) ?? {}),
    settings: Object.fromEntries(settingsOf(form).map((name) => [name, textOf(definition[name])])),
    to: [...alert.to],
    severity: alert.severity,
  };
}

/** Return the settings in the words of `farebox.yaml`. What is empty is left out. */
export function definitionOf(said: AlertForm, form: AlertKind): Definition {
  const definition: Definition = { [said.kind]: said.subject.trim() || "true" };
  const thresholds = said.at
    .split(",")
    .map((each) => each.trim())
    .filter(Boolean);
  if (form.threshold_key !== null && thresholds.length > 0) definition[form.threshold_key] = thresholds;
  if (form.keys.includes("where") && said.where.trim() !== "") definition.where = readFilters(said.where);
  for (const name of settingsOf(form)) {
    const text = said.settings[name]?.trim() ?? "";
    if (text !== "") definition[name] = name === "sensitivity" ? sensitivityOf(text) : text;
  }
  definition.to = said.to;
  definition.severity = said.severity;
  return definition;
}

function listText(value: unknown): string {
  return Array.isArray(value) ? value.join(", ") : textOf(value);
}

/** A setting as a line of text; a mapping, as of a sensitivity, as `deviations 6, factor 2`. */
function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value);
  return Object.entries(value)
    .map(([name, each]) => `${name} ${String(each)}`)
    .join(", ");
}

function sensitivityOf(text: string): unknown {
  const parts = text.split(",").map((part) => part.trim().split(/\s+/));
  return parts.every((part) => part.length === 2) ? Object.fromEntries(parts) : text;
}
