import { describe, expect, it } from "vitest";
import { speedOf } from "@/features/calls/cells";
import { columnsFor, leastWidth } from "@/features/calls/columns";
import { nextOrder, readOrder, sortedAs } from "@/features/calls/order";
import { parametersOf, viewOf } from "@/features/views/queries";
import type { CallBrief } from "@/shared/api/types";
import snapshot from "../../../tests/snapshots/api/calls.json";

const call = snapshot.calls[0] as CallBrief;

describe("the order", () => {
  it("is in the address, and nothing that cannot be sorted by is", () => {
    expect(readOrder("cost", undefined)).toEqual({ name: "cost", ascending: false });
    expect(readOrder("total", "asc")).toEqual({ name: "total", ascending: true });
    expect(readOrder("evil", "asc")).toBeUndefined();
    expect(readOrder("time", undefined)).toBeUndefined(); // newest first is the list that grows by itself
  });

  it("goes from the highest to the lowest and back to the newest", () => {
    const highest = nextOrder(undefined, "cost");
    const lowest = nextOrder(highest, "cost");
    expect([highest, lowest, nextOrder(lowest, "cost")]).toEqual([
      { name: "cost", ascending: false },
      { name: "cost", ascending: true },
      undefined,
    ]);
    expect(nextOrder(highest, "total")).toEqual({ name: "total", ascending: false });
    expect(nextOrder(nextOrder(undefined, "time"), "time")).toBeUndefined();
    expect(sortedAs(undefined, "time")).toBe("descending");
    expect(sortedAs(lowest, "cost")).toBe("ascending");
    expect(sortedAs(lowest, "time")).toBe("none");
  });
});

describe("chosen columns", () => {
  it("keep their order, and the cost is always among them", () => {
    expect(columnsFor(2000, ["status", "model"]).map(({ id }) => id)).toEqual(["model", "cost", "status"]);
    expect(columnsFor(390, ["status", "model"]).map(({ id }) => id)).toEqual(["call", "cost"]);
    expect(columnsFor(1200, ["evil"]).map(({ id }) => id)).toEqual(["cost"]);
    expect(leastWidth(columnsFor(2000, ["model"]))).toBe(136 + 126 + 16 + 40);
  });
});

describe("the speed of a response", () => {
  it("counts from the first byte of a stream, and the whole time of another", () => {
    const timed = { ...call, output_tokens: 100, first_byte_us: 1_000_000, total_us: 2_000_000 };
    expect(speedOf({ ...timed, streamed: true })).toBe(100);
    expect(speedOf({ ...timed, streamed: false })).toBe(50);
    expect(speedOf({ ...timed, output_tokens: 0 })).toBeNull();
    expect(speedOf({ ...timed, total_us: 0, first_byte_us: 0 })).toBeNull();
  });
});

describe("a saved view", () => {
  it("is an address without what is open, and leads back to it", () => {
    const kept = viewOf("?since=7d&call=019aa&customer=a%26b&order=cost");
    expect(kept).toBe("since=7d&customer=a%26b&order=cost");
    expect(parametersOf(kept)).toEqual({ since: "7d", customer: "a&b", order: "cost" });
  });
});
