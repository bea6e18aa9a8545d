import { act, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import { FakeEvents, servePage, server, show, snapshot } from "./page-harness";

servePage();

it("shows money first, with its certainty and its change", async () => {
  show();
  const spend = await screen.findByTestId("spend");
  const { now } = snapshot("summary") as { now: { today: { cost_usd: string } } };
  expect(spend.textContent).toContain("≥");
  expect(within(spend).getByTitle(new RegExp(`At least \\$${now.today.cost_usd}`))).toBeTruthy();
  expect(screen.getByRole("button", { name: /83.3 % priced · 1 call unpriced/ })).toBeTruthy();
  expect(screen.getByText(/vs yesterday by now/)).toBeTruthy();
});

it("asks for what the address says, in the API's names", async () => {
  show("/?tz=UTC&since=7d&model=gpt-4o&cost_state=unpriced");
  await screen.findAllByText("Spend by API key");
  await waitFor(() => expect(server.asked.length).toBeGreaterThan(5));
  const summary = server.asked.find((url) => url.includes("/summary")) ?? "";
  expect(Object.fromEntries(new URL(summary, "http://x").searchParams)).toEqual({
    since: "7d",
    tz: "UTC",
    model: "gpt-4o",
    cost_state: "unpriced",
  });
  expect(FakeEvents.last?.url).toBe("/api/v1/live?tz=UTC&model=gpt-4o&cost_state=unpriced");
});

it("adds a filter by a click on a bar, and takes it away by a second", async () => {
  const router = show();
  const bar = await screen.findByRole("button", { name: /claude-sonnet-4/ });
  await userEvent.click(bar);
  expect(router.state.location.search).toMatchObject({ model: "claude-sonnet-4" });
  await userEvent.click(await screen.findByRole("button", { name: "Remove filter Model: claude-sonnet-4" }));
  expect(router.state.location.search).not.toHaveProperty("model");
});

it("never shows a call without a price as zero", async () => {
  show();
  const row = await screen.findByText("my-finetune", { selector: "[role=cell] *" });
  const cells = row.closest("[role=row]");
  expect(cells?.textContent).toContain("unpriced");
  expect(cells?.textContent).not.toContain("$");
});

it("opens the receipt: quantity × price = amount, down to the total", async () => {
  show("/?tz=UTC&call=019aa000-0000-7000-8000-000000000005");
  const receipt = await screen.findByRole("complementary", { name: "Receipt" });
  await within(receipt).findByText("12,000 × $0.15 per million");
  expect(receipt.textContent).toContain("4,000 × $0.6 per million");
  expect(receipt.textContent).toContain("By list price$0.0042");
  expect(receipt.textContent).toContain("valid from 2025-08-07");
  expect(receipt.textContent).toContain("openai/gpt-4o-mini/2025-08-07#input_uncached");
  expect(receipt.textContent).toContain("header:x-farebox-user");
});

it("grows by itself, holds still on Space, and counts what waits", async () => {
  show();
  await screen.findByText("my-finetune", { selector: "[role=cell] *" });
  const { calls } = snapshot("calls") as { calls: { seq: number; model: string; event_id: string }[] };
  const late = { ...calls[0], seq: 100, event_id: "late", model: "just-now" };
  const later = { ...late, seq: 101, event_id: "later", model: "after-that" };
  act(() => FakeEvents.last?.push("calls", { calls: [late], skipped: 0, last_seq: 100 }));
  await screen.findByText("just-now", { selector: "[role=cell] *" });
  await userEvent.keyboard(" ");
  act(() => FakeEvents.last?.push("calls", { calls: [later], skipped: 0, last_seq: 101 }));
  await screen.findByText("1 new call");
  expect(screen.queryByText("after-that")).toBeNull();
  await userEvent.keyboard(" ");
  await screen.findByText("after-that", { selector: "[role=cell] *" });
});

it("asks for the panels when the figures come that count the new calls, and not without", async () => {
  show();
  await screen.findByTestId("spend");
  await waitFor(() => expect(server.asked.filter((url) => url.includes("/breakdown")).length).toBe(3));
  const { now } = snapshot("summary") as { now: object };
  const panels = (): number => server.asked.filter((url) => url.includes("/breakdown")).length;
  const figures = (last_seq: number): void =>
    act(() => FakeEvents.last?.push("figures", { ...now, last_seq }));
  figures(100);
  expect(panels()).toBe(3);
  const [call] = (snapshot("calls") as { calls: object[] }).calls;
  act(() => FakeEvents.last?.push("calls", { calls: [call], skipped: 0, last_seq: 101 }));
  figures(100); // made before the call existed
  expect(panels()).toBe(3);
  figures(101);
  await waitFor(() => expect(panels()).toBe(6));
  figures(101);
  figures(102); // of calls that the filter leaves out
  expect(panels()).toBe(6);
});

it("moves with j and k, opens with Enter, closes with Escape", async () => {
  const router = show();
  await screen.findByText("my-finetune", { selector: "[role=cell] *" });
  await userEvent.keyboard("jjk{Enter}");
  const { calls } = snapshot("calls") as { calls: { event_id: string }[] };
  await waitFor(() => expect(router.state.location.search).toMatchObject({ call: calls[0]?.event_id }));
  await userEvent.keyboard("{Escape}");
  await waitFor(() => expect(router.state.location.search).not.toHaveProperty("call"));
});

it("says what runs and what to paste where nothing was recorded", async () => {
  server.status = "status_empty";
  show();
  await screen.findByText("No calls yet");
  expect(screen.getByText("The proxy is not running, so nothing can be metered yet.")).toBeTruthy();
  expect(screen.getByText("farebox up")).toBeTruthy();
  expect(screen.queryByTestId("spend")).toBeNull();
});

it("says in the server's words what went wrong, and how to get back in", async () => {
  server.failWith = [503, { code: "ledger_schema_newer", message: "made by a newer Farebox", details: {} }];
  show();
  expect((await screen.findAllByText("made by a newer Farebox")).length).toBeGreaterThan(0);
  expect(screen.getAllByRole("button", { name: "Try again" }).length).toBeGreaterThan(0);
});

it("asks for a new link where the session has ended", async () => {
  server.failWith = [
    401,
    {
      code: "unauthenticated",
      message: "Your session has ended. Type this for a new link: x/farebox open",
      details: {},
    },
  ];
  show();
  expect((await screen.findAllByText(/new link: x\/farebox open/)).length).toBeGreaterThan(0);
  expect(screen.queryByRole("button", { name: "Try again" })).toBeNull();
});

it("reads every chart as text", async () => {
  show();
  await screen.findByTestId("spend");
  for (const button of await screen.findAllByRole("button", { name: "Table" })) await userEvent.click(button);
  const table = await screen.findByRole("table", { name: /Spend by model/ });
  expect(within(table).getAllByRole("row").length).toBeGreaterThan(10);
});
