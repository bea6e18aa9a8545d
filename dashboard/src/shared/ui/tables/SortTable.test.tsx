import { expect, it } from "vitest";
import { byText, ordered, orderOf } from "./SortTable";

it("reads an order from the address", () => {
  expect(orderOf(undefined)).toEqual(["", false]);
  expect(orderOf("name")).toEqual(["name", false]);
  expect(orderOf("-cost")).toEqual(["cost", true]);
});

it("orders a copy, and leaves what has no order as it came", () => {
  const rows = [{ name: "b" }, { name: "a" }];
  expect(ordered(rows, undefined, true)).toBe(rows);
  expect(
    ordered(
      rows,
      byText((row) => row.name),
      false,
    ).map(({ name }) => name),
  ).toEqual(["a", "b"]);
  expect(
    ordered(
      rows,
      byText((row) => row.name),
      true,
    ).map(({ name }) => name),
  ).toEqual(["b", "a"]);
  expect(rows.map(({ name }) => name)).toEqual(["b", "a"]);
});
