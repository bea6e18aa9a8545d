import { expect, it } from "vitest";
import { ApiError } from "./client";
import { wrongFields } from "./wrong-fields";

it("tells each mistake with its field and line", () => {
  const error = new ApiError(422, "config_invalid", "wrong", {
    findings: [
      "the request: where.custmer: found 'a', expected a dimension",
      "the text:7: plans.pro.base: found '-1', expected an amount, as in \"20.00\"",
      "the text:2: found a line without `:`, expected `key: value`",
    ],
    fields: ["where.custmer", "plans.pro.base", ""],
    lines: ["", "7", "2"],
  });
  expect(wrongFields(error)).toEqual([
    { field: "where.custmer", line: 0, words: "found 'a', expected a dimension" },
    { field: "plans.pro.base", line: 7, words: "found '-1', expected an amount, as in \"20.00\"" },
    { field: "", line: 2, words: "found a line without `:`, expected `key: value`" },
  ]);
});

it("has no mistakes of other errors", () => {
  expect(wrongFields(new ApiError(403, "role_not_allowed", "no"))).toEqual([]);
  expect(wrongFields(new Error("x"))).toEqual([]);
  expect(wrongFields(null)).toEqual([]);
});
