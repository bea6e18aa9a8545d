import { expect, test } from "vitest";
import type { PortalSums, PortalUsage } from "./types";
import { seriesOf, tokensOf } from "./usage-series";

function sums(calls: number, tokens = 0): PortalSums {
  return {
    calls,
    input_tokens: tokens,
    cache_read_tokens: 1,
    cache_creation_tokens: 2,
    output_tokens: 3,
    reasoning_tokens: 3,
  };
}

const USAGE: PortalUsage = {
  by: "session",
  since: "2026-11-01T00:00:00Z",
  until: "2026-11-03T00:00:00Z",
  timezone: "UTC",
  bucket: "day",
  invoice: null,
  total: sums(9),
  groups: [
    { value: "a", sums: sums(5) },
    { value: null, sums: sums(3) },
    { value: "b", sums: sums(1) },
  ],
  more_groups: 0,
  points: [
    { start: "1", value: null, sums: sums(3) },
    { start: "1", value: "a", sums: sums(2) },
    { start: "2", value: "a", sums: sums(3) },
  ],
  points_of_all: [
    { start: "1", value: null, sums: sums(5) },
    { start: "2", value: null, sums: sums(4) },
  ],
};

test("groups are stacked in their order, and what they leave is of others", () => {
  expect(seriesOf(USAGE, ({ calls }) => calls)).toEqual({
    starts: ["1", "2"],
    stacks: [
      { label: "a", values: [2, 3] },
      { label: "No conversation", values: [3, 0] },
      { label: "Others", values: [0, 1] },
    ],
  });
});

test("reasoning is in the output and counts once", () => {
  expect(tokensOf(sums(1, 10))).toBe(16);
});
