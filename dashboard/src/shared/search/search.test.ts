import { expect, it } from "vitest";
import { filteredBy, isOpenEnded, labelOf, parametersOf, presetOf, readSearch } from "./search";

it("keeps what it knows of an address and drops the rest", () => {
  expect(readSearch({ since: "7d", model: "gpt-4o", app: "", evil: "x", call: 3 })).toEqual({
    since: "7d",
    model: "gpt-4o",
    app: "", // the calls that carry none
  });
});

it("asks the API in the command line's words", () => {
  expect(parametersOf({ model: "gpt-4o", tz: "UTC", call: "019aa" })).toEqual({
    since: "today",
    until: undefined,
    tz: "UTC",
    model: ["gpt-4o"],
  });
  expect(parametersOf({ app: "a\\, b,c", tz: "UTC" }).app).toEqual(["a, b", "c"]);
});

it("knows presets, and whether new calls belong to a span", () => {
  expect(presetOf({})?.id).toBe("today");
  expect(presetOf({ since: "prev-month", until: "month" })?.id).toBe("prev-month");
  expect(presetOf({ since: "2026-11-01T00:00" })).toBeUndefined();
  expect(isOpenEnded({ since: "7d" })).toBe(true);
  expect(isOpenEnded({ since: "prev-month", until: "month" })).toBe(false);
});

it("filters by every declared dimension and by any tag", () => {
  const search = readSearch({ "tag.feature": "summary", branch: "main", "tag.": "x" });
  expect(filteredBy(search)).toEqual(["branch", "tag.feature"]);
  expect(labelOf("tag.feature")).toBe("Tag feature");
  expect(parametersOf({ ...search, tz: "UTC" })["tag.feature"]).toEqual(["summary"]);
});
