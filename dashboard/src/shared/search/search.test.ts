import { expect, it } from "vitest";
import {
  bucketOf,
  carried,
  filteredBy,
  isOpenEnded,
  labelOf,
  parametersOf,
  presetOf,
  readSearch,
} from "./search";

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

it("shows a day by the hour, a week and a month by the day, minutes by the minute", () => {
  const spans = ["1h", "today", "7d", "30d", "month", "90m", "36h", "3d", "2w", "yesterday", "week"];
  expect(spans.map((since) => bucketOf({ since })).join(" ")).toBe(
    "minute hour day day day minute hour day day hour day",
  );
  const custom = (until: string): string => bucketOf({ since: "2026-11-01T00:00", until });
  expect(["2026-11-01T02:00", "2026-11-02T12:00", "2026-11-20T00:00"].map(custom)).toEqual([
    "minute",
    "hour",
    "day",
  ]);
});

it("takes the span, the zone and the filters to another screen, and nothing that is open", () => {
  expect(carried({ since: "7d", tz: "UTC", model: "gpt-4o", app: "", "tag.a": "b", call: "019aa" })).toEqual({
    since: "7d",
    tz: "UTC",
    model: "gpt-4o",
    app: "",
    "tag.a": "b",
  });
});
