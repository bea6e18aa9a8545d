import { expect, it } from "vitest";
import { xLabels } from "./axis";
import { lastHour } from "./MinutesCard";

it("shows sixty minutes up to the running one, quiet ones as zero", () => {
  const now = Date.parse("2026-11-20T15:00:30Z");
  const minute = Date.parse("2026-11-20T14:59:00Z");
  const shown = lastHour(
    { starts_ms: [minute], cost_pico: ["42"], calls: [2], unpriced_calls: [1], last_seq: 9 },
    now,
  );
  expect(shown.starts_ms.length).toBe(60);
  expect(shown.starts_ms.at(-1)).toBe(Date.parse("2026-11-20T15:00:00Z"));
  expect(shown.cost_pico.slice(-3)).toEqual(["0", "42", "0"]);
  expect(shown.unpriced_calls.at(-2)).toBe(1);
});

it("labels round times of the zone", () => {
  const starts = Array.from(
    { length: 60 },
    (_, index) => Date.parse("2026-11-20T14:07:00Z") + index * 60_000,
  );
  expect(xLabels(starts, "minute", "Europe/Berlin", 6).map(({ text }) => text)).toEqual([
    "15:10",
    "15:20",
    "15:30",
    "15:40",
    "15:50",
    "16:00",
  ]);
  const hours = Array.from(
    { length: 24 },
    (_, index) => Date.parse("2026-11-19T23:00:00Z") + index * 3_600_000,
  );
  expect(xLabels(hours, "hour", "Europe/Berlin", 8)[0]?.text).toBe("00:00");
});
