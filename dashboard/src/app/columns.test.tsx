import { render, screen } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { columnsFor } from "@/features/calls/columns";
import type { CallBrief } from "@/shared/api/types";
import snapshot from "../../../tests/snapshots/api/calls.json";

const call = {
  ...snapshot.calls[0],
  input_tokens: 1400, // 100 uncached, 1,000 read, 300 written
  cache_read_input_tokens: 1000,
  output_tokens: 90,
  reasoning_output_tokens: 40,
} as CallBrief;

function shown(width: number, id: string): { text: string; hint: string | undefined } {
  const column = columnsFor(width).find((each) => each.id === id);
  const { unmount } = render(<p data-testid="cell">{column?.cell(call, "UTC")}</p>);
  const text = screen.getByTestId("cell").textContent ?? "";
  unmount();
  return { text, hint: column?.hint };
}

describe("columns", () => {
  it("mean the same in every layout: In and Out are everything, Cached and Reason are parts of them", () => {
    for (const width of [910, 1200]) {
      expect([shown(width, "in").text, shown(width, "out").text]).toEqual(["1,400", "90"]);
      expect(shown(width, "in").hint).toBe("All input tokens, cached ones included");
    }
    expect([shown(1200, "cached").text, shown(1200, "reasoning").text]).toEqual(["1,000", "40"]);
    expect(columnsFor(910).map((column) => column.id)).not.toContain("cached");
  });

  it("fit every width, and the cost is always among them", () => {
    for (let width = 300; width < 1500; width += 10) {
      const columns = columnsFor(width);
      expect(columns.map((column) => column.id)).toContain("cost");
      const fixed = columns.map(({ track }) => Number(/^(?:minmax\()?(\d+)px/.exec(track)?.[1] ?? 0));
      const least = fixed.reduce((sum, track) => sum + track, 16 * (columns.length - 1) + 40);
      expect(least).toBeLessThanOrEqual(width);
    }
  });
});
