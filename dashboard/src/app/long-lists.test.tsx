/** Lists that are too long to be drawn whole, or to be shown whole. */

import { screen, within } from "@testing-library/react";
import { expect, it } from "vitest";
import { ROWS_MAX } from "@/shared/api/all-rows";
import { servePage, server, show } from "./page-harness";

servePage();

const key = (number: number) => ({
  fingerprint: number.toString(16).padStart(16, "0"),
  label: `key ${number}`,
  customer: null,
  user: null,
  agent: null,
  project: null,
  origin: "command",
  calls: 1,
  cost_pico: "1",
  last_at: null,
});

function serve(keys: number): void {
  server.instead = (path, query) => {
    if (path === "session") return { role: "admin" };
    if (path === "tokens") return { tokens: [], next_cursor: null };
    if (path === "identities") return { identities: [], next_cursor: null };
    if (path === "configuration") return { files: [], values: [], findings: [] };
    if (path !== "keys") return undefined;
    const start = Number(query.get("cursor") ?? 0);
    const end = Math.min(start + Number(query.get("limit")), keys);
    const page = Array.from({ length: end - start }, (_, at) => key(start + at));
    return { keys: page, next_cursor: end < keys ? String(end) : null };
  };
}

it("draws the rows of a long list that are in sight, and says how many there are", async () => {
  serve(1_000);
  show("/settings?tz=UTC");
  const table = await screen.findByRole("table", { name: "API keys" });
  expect(table.getAttribute("aria-rowcount")).toBe("1001");
  expect(within(table).getAllByRole("row").length).toBeLessThan(200);
  expect(screen.queryByText(/Only the first/)).toBeNull();
});

it("draws a short list whole", async () => {
  serve(150);
  show("/settings?tz=UTC");
  const table = await screen.findByRole("table", { name: "API keys" });
  expect(within(table).getAllByText(/^key \d+$/).length).toBe(150);
});

it("says where the rest of a list is that stops", async () => {
  serve(ROWS_MAX + 1);
  show("/settings?tz=UTC");
  await screen.findByText(/Only the first 5,000 are shown/);
  const rest = screen.getByRole("link", { name: "All keys as CSV" });
  expect(rest.getAttribute("href")).toBe("/api/v1/keys?format=csv");
});
