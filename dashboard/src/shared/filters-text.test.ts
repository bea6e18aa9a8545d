import { expect, it } from "vitest";
import { filtersText, readFilters } from "./filters-text";

it("reads what it writes, several values and empty ones, too", () => {
  const where = { customer: ["acme", ""], "tag.team": ["a=b, c"] };
  expect(readFilters(filtersText(where))).toEqual(where);
  expect(readFilters(" customer = acme \n\n model\n")).toEqual({ customer: ["acme"], model: [] });
});
