/** The screens of use, whole, over the server's own snapshots. */

import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it } from "vitest";
import type { Activity, Pivot, SessionDetail } from "@/shared/api/types";
import { formatMeasure } from "@/shared/measures";
import { servePage, server, show, snapshot } from "./page-harness";

servePage();
beforeEach(() => {
  server.instead = (path) => {
    if (path === "session") return { role: "admin" };
    if (path === "pivot") return snapshot("pivot_rest");
    if (path === "sessions/of") return snapshot("session_tree");
    return undefined;
  };
});

it("shows a table with everything else in a row of its own, down to the server's total", async () => {
  show("/breakdown?tz=UTC&since=7d&rows=model&columns=status&limit=1&columns_limit=1");
  const table = await screen.findByRole("table", { name: "Cost by Model" });
  const pivot = snapshot("pivot_rest") as unknown as Pivot;
  const rows = within(table).getAllByRole("row").slice(1);
  expect(rows.length).toBe(pivot.lines.length + 1);
  const first = rows.map((row) => within(row).getAllByRole("cell")[0]?.textContent?.replace("≥", ""));
  expect(first).toEqual(
    [...pivot.lines.map(({ total }) => total), pivot.total].map(({ value }) => formatMeasure(value, "pico")),
  );
  expect(within(rows[1] as HTMLElement).getByRole("rowheader").textContent).toContain("Everything else");
});

it("asks for more rows when everything else is opened, and keeps that in the address", async () => {
  const router = show("/breakdown?tz=UTC&since=7d&rows=model&columns=status&limit=1&columns_limit=1");
  const table = await screen.findByRole("table", { name: "Cost by Model" });
  const rest = within(table).getAllByRole("button", { name: /Everything else/ });
  await userEvent.click(rest[rest.length - 1] as HTMLElement);
  await waitFor(() => expect(router.state.location.search).toMatchObject({ limit: "2" }));
  expect(server.asked.some((url) => url.includes("pivot") && url.includes("limit=2"))).toBe(true);
});

it("shows a session's agents and steps beneath one another, and says which turn sent its context again", async () => {
  show("/sessions?tz=UTC&session=s/1");
  const tree = await screen.findByRole("table", { name: "Agents and steps of the session" });
  const names = within(tree).getAllByRole("rowheader");
  const detail = snapshot("session_tree") as unknown as SessionDetail;
  expect(names.map((name) => name.textContent?.replace(/[▾▸]|step$/g, ""))).toEqual(
    detail.nodes.map(({ name }) => name),
  );
  expect(screen.getByText(/of planner sent up to 60,000 tokens again/).textContent).toContain("Turn 4");
  await userEvent.click(within(tree).getByRole("button", { name: "Hide what is beneath draft" }));
  expect(within(tree).queryByText("write")).toBeNull();
});

it("stops what spends the most with k, but not before it was confirmed", async () => {
  show("/live?tz=UTC");
  const activity = snapshot("activity") as unknown as Activity;
  await screen.findByLabelText(`Stop session ${activity.sessions[0]?.key}`); // roles of a page this long take seconds
  await userEvent.keyboard("k");
  const dialog = document.querySelector("dialog[aria-labelledby]") as HTMLElement;
  expect(dialog.textContent).toContain(`Stop session ${activity.sessions[0]?.key}?`);
  expect(server.sent).toEqual([]);
  const stop = within(dialog).getByText("Stop it");
  await userEvent.click(stop);
  await waitFor(() => expect(server.sent.length).toBe(1));
  expect(server.sent[0]).toMatchObject({ method: "POST", path: "stops" });
  expect(JSON.parse(server.sent[0]?.body ?? "")).toEqual({ session: activity.sessions[0]?.key });
});

it("shows nobody who may only look a button that would be refused", async () => {
  server.instead = (path) => (path === "session" ? { role: "read" } : undefined);
  show("/live?tz=UTC");
  await screen.findByText(/^Sessions, last/);
  await screen.findByText("Burn rate, last hour");
  expect(screen.queryByRole("button", { name: /^Stop/ })).toBeNull();
});
