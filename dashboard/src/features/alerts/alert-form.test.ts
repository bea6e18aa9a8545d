import { expect, it } from "vitest";
import type { AlertKind, AlertView } from "@/shared/api/types";
import { definitionOf, formOf, newAlert } from "./alert-form";

const RISE: AlertKind = {
  kind: "rise",
  title: "Rise",
  example: 'rise: cost, by: "100%", over: 1h',
  words: ["cost", "calls"],
  subject: "",
  open: null,
  threshold_key: "by",
  thresholds: ["100%"],
  keys: ["where", "each", "calls_min", "amount_min", "over"],
  usual: { over: "1h", calls_min: "20" },
  severity: "warning",
};
const ANOMALY: AlertKind = {
  ...RISE,
  kind: "anomaly",
  threshold_key: null,
  thresholds: [],
  keys: ["where", "each", "sensitivity"],
  usual: {},
};

it("starts with what is usual for a kind, and says it as the file would", () => {
  const form = newAlert(RISE, ["ops"]);
  expect(definitionOf({ ...form, name: "jump", where: "app=ingest", at: "50%, 100%" }, RISE)).toEqual({
    rise: "cost",
    by: ["50%", "100%"],
    where: { app: ["ingest"] },
    over: "1h",
    calls_min: "20",
    to: ["ops"],
    severity: "warning",
  });
});

it("gives back every setting of an alert that is opened and saved", () => {
  const definition = {
    name: "jump",
    anomaly: "cost",
    where: { customer: ["acme"] },
    each: "app",
    sensitivity: { deviations: "4", factor: "1.5" },
    to: ["ops", "log"],
    severity: "critical",
  };
  const alert = {
    name: "jump",
    to: ["ops", "log"],
    severity: "critical",
    definition,
  } as unknown as AlertView;
  const { name: _, ...rest } = definition;
  expect(definitionOf(formOf(alert, ANOMALY), ANOMALY)).toEqual(rest);
});

it("says nothing of what a kind does not have", () => {
  const form = { ...newAlert(RISE, []), kind: "anomaly", settings: { over: "1h" }, at: "5%" };
  expect(definitionOf(form, ANOMALY)).toEqual({ anomaly: "cost", to: [], severity: "warning" });
});
