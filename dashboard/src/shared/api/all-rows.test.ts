import { expect, it } from "vitest";
import { allRows, PAGE, ROWS_MAX } from "./all-rows";

function server(
  total: number,
): [string[], (page: { limit: number; cursor: string | undefined }) => Promise<Answer>] {
  const asked: string[] = [];
  return [
    asked,
    async ({ limit, cursor }) => {
      asked.push(cursor ?? "start");
      const start = Number(cursor ?? "0");
      const end = Math.min(start + limit, total);
      const rows = Array.from({ length: end - start }, (_, index) => start + index);
      return { rows, problems: ["said once"], next_cursor: end < total ? String(end) : null };
    },
  ];
}

interface Answer {
  rows: number[];
  problems: string[];
  next_cursor: string | null;
}

it("asks for a list page by page, to its end", async () => {
  const [asked, ask] = server(2 * PAGE + 1);
  const found = await allRows(ask, "rows");
  expect(found.rows.length).toBe(2 * PAGE + 1);
  expect(found.rows.at(-1)).toBe(2 * PAGE);
  expect(found.problems).toEqual(["said once"]);
  expect(found.next_cursor).toBeNull();
  expect(asked).toEqual(["start", "1000", "2000"]);
});

it("stops where a table has enough, and says that there are more", async () => {
  const [asked, ask] = server(10 * ROWS_MAX);
  const found = await allRows(ask, "rows");
  expect(found.rows.length).toBe(ROWS_MAX);
  expect(found.next_cursor).toBe(String(ROWS_MAX));
  expect(asked.length).toBe(ROWS_MAX / PAGE);
});
