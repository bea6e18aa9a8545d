import { expect, it } from "vitest";
import { OFFERED, readChoice } from "./choice";

it("reads the table from the address and leaves out what does not exist", () => {
  expect(
    readChoice({ rows: "customer,tag.feature,nothing", columns: "model,customer", measure: "calls" }),
  ).toEqual({
    rows: ["customer", "tag.feature"],
    columns: ["model"],
    measure: "calls",
    order: "desc",
    limit: 50,
    columnsLimit: 8,
  });
});

it("begins with the cost of each model", () => {
  expect(readChoice({})).toMatchObject({ rows: ["model"], columns: [], measure: "cost_pico" });
  expect(readChoice({ measure: "happiness", limit: "0", order: "up" })).toMatchObject({
    measure: "cost_pico",
    limit: 50,
    order: "desc",
  });
  expect(readChoice({ limit: "9999" }).limit).toBe(200);
});

it("offers money, counts, shares and times, and no moments", () => {
  const names = OFFERED.map(({ name }) => name as string);
  expect(names).toEqual(expect.arrayContaining(["cost_pico", "errors", "total_p95_us", "first_byte_p50_us"]));
  expect(names).not.toContain("first_at_ns");
});
