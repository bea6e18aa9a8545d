import { expect, it } from "vitest";
import type { LiveMinutes } from "@/shared/api/types";
import { mergeMinutes } from "./use-live";

const MINUTE = 60_000;

function minutes(first: number, costs: string[]): LiveMinutes {
  return {
    starts_ms: costs.map((_, index) => (first + index) * MINUTE),
    cost_pico: costs,
    calls: costs.map(() => 1),
    unpriced_calls: costs.map(() => 0),
    last_seq: 1,
  };
}

it("replaces a minute that is sent again, so that nothing is counted twice", () => {
  const merged = mergeMinutes(minutes(10, ["5", "6"]), minutes(11, ["9", "1"]));
  expect(merged.starts_ms).toEqual([10 * MINUTE, 11 * MINUTE, 12 * MINUTE]);
  expect(merged.cost_pico).toEqual(["5", "9", "1"]);
});

it("keeps an hour and puts a late minute where it belongs", () => {
  const full = minutes(
    100,
    Array.from({ length: 61 }, () => "1"),
  );
  const merged = mergeMinutes(full, minutes(120, ["7"]));
  expect(merged.starts_ms.length).toBe(61);
  expect(merged.cost_pico[20]).toBe("7");
  expect(mergeMinutes(full, minutes(161, ["2"])).starts_ms[0]).toBe(101 * MINUTE);
});
