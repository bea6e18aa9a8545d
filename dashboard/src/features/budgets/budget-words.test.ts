import { expect, it } from "vitest";
import type { BudgetSimulation, BudgetState } from "@/shared/api/types";
import { inWords, periodWords, policyWords, simulationWords, whoseWords } from "./budget-words";

it("says whose calls and for how long", () => {
  expect(whoseWords({})).toBe("all calls");
  expect(whoseWords({ customer: ["acme", ""], "tag.team": ["core"] })).toBe(
    "customer acme or none, tag team core",
  );
  expect(["day", "rolling 24h", "session", "ever"].map(periodWords)).toEqual([
    "a day",
    "in any 24h",
    "a session",
    "in all",
  ]);
});

it("says what happens at the limit", () => {
  const hard = {
    mode: "hard",
    wait: "20s",
    stream: "cut",
    unpriced: "ceiling",
    ceiling_usd: null,
    reserve: "worst",
  };
  expect(policyWords(hard as BudgetState)).toEqual([
    "A call that does not fit waits for others to end, for 20s at most, and is refused then.",
    "A stream that would pass the limit is cut with an error its client understands.",
    "A call without a price counts as the most expensive one known of its provider.",
  ]);
  expect(policyWords({ ...hard, mode: "soft" } as BudgetState)).toEqual([
    "It warns and counts. Nothing is refused.",
  ]);
  const other = { ...hard, wait: "0s", stream: "finish", unpriced: "allow", reserve: "likely" };
  expect(policyWords(other as BudgetState).join(" ")).toMatch(
    /refused at once.*may finish.*pass.*usually costs/,
  );
});

it("says what a simulation has found", () => {
  const found = {
    calls: 1204,
    blocked_calls: 14,
    saved_pico: "61000000000000",
    spent_pico: "300000000000000",
  };
  expect(simulationWords(found as BudgetSimulation)).toBe(
    "In the last 30 days it would have blocked 14 of 1,204 calls, and saved $61.00 of $300.00.",
  );
  expect(simulationWords({ ...found, blocked_calls: 0 } as BudgetSimulation)).toContain(
    "none of the 1,204 calls",
  );
  expect(simulationWords({ ...found, calls: 0 } as BudgetSimulation)).toContain("No call");
});

it("counts down to a reset", () => {
  const now = new Date("2026-11-20T14:48:00Z");
  expect(inWords("2026-11-20T15:00:00Z", now)).toBe("in 12 m");
  expect(inWords("2026-11-21T00:00:00Z", now)).toBe("in 9 h 12 m");
  expect(inWords("2026-12-01T00:00:00Z", now)).toBe("in 10 days");
});
