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

describe("token columns", () => {
  it("split where there is room for both parts", () => {
    expect([shown(1200, "in").text, shown(1200, "cached").text]).toEqual(["400", "1,000"]);
    expect([shown(1200, "out").text, shown(1200, "reasoning").text]).toEqual(["50", "40"]);
    expect(shown(1200, "in").hint).toContain("not read from a cache");
  });

  it("hold the whole where the other part's column is hidden", () => {
    expect(columnsFor(900).map((column) => column.id)).not.toContain("cached");
    expect(shown(900, "in")).toEqual({ text: "1,400", hint: "All input tokens, cached ones included" });
    expect(shown(900, "out").text).toBe("90");
  });
});
