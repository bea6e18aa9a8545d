import { act, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import { FakeEvents, servePage, server, show, snapshot } from "./page-harness";

servePage();

const PANELS = 7;

/** Whether a question is one of those that new calls change: the overview's, each asked once. */
function isPanel(url: string): boolean {
  return /\/(summary|series|breakdown|movers|heat-map|projection|calls)\?/.test(url);
}

it("shows money first, with its certainty and its change", async () => {
  show();
  const spend = await screen.findByTestId("spend");
  const { now } = snapshot("summary") as { now: { today: { cost_usd: string } } };
  expect(spend.textContent).toContain("≥");
  expect(within(spend).getByTitle(new RegExp(`At least \\$${now.today.cost_usd}`))).toBeTruthy();
  expect(screen.getByRole("button", { name: /83.3 % priced · 1 call unpriced/ })).toBeTruthy();
  expect(screen.getByText(/yesterday by now/)).toBeTruthy();
});

it("asks for what the address says, in the API's names", async () => {
  show("/?tz=UTC&since=7d&model=gpt-4o&cost_state=unpriced");
  await screen.findByTestId("spend");
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
  const panel = await screen.findByRole("region", { name: "Spend by model" });
  const bar = await within(panel).findByRole("button", { name: /claude-sonnet-4/ });
  await userEvent.click(bar);
  expect(router.state.location.search).toMatchObject({ model: "claude-sonnet-4" });
  await userEvent.click(await screen.findByRole("button", { name: "Remove filter Model: claude-sonnet-4" }));
  expect(router.state.location.search).not.toHaveProperty("model");
});

it("asks for the panels when the figures come that count the new calls, and not without", async () => {
  show();
  await screen.findByTestId("spend");
  await waitFor(() => expect(server.asked.filter(isPanel).length).toBe(PANELS));
  const { now } = snapshot("summary") as { now: object };
  const panels = (): number => server.asked.filter(isPanel).length;
  const figures = (last_seq: number): void =>
    act(() => FakeEvents.last?.push("figures", { ...now, last_seq }));
  figures(100);
  expect(panels()).toBe(PANELS);
  const [call] = (snapshot("calls") as { calls: object[] }).calls;
  act(() => FakeEvents.last?.push("calls", { calls: [call], skipped: 0, last_seq: 101 }));
  figures(100); // made before the call existed
  expect(panels()).toBe(PANELS);
  figures(101);
  await waitFor(() => expect(panels()).toBe(2 * PANELS));
  figures(101);
  figures(102); // of calls that the filter leaves out
  expect(panels()).toBe(2 * PANELS);
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
  await screen.findByText("made by a newer Farebox");
  await waitFor(() => expect(screen.getAllByText(/^Not available/).length).toBeGreaterThan(3));
  expect(screen.getAllByRole("alert").length).toBe(1); // however many questions have failed
  server.failWith = null;
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  await screen.findByTestId("spend");
  await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
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
  await screen.findByText(/new link: x\/farebox open/);
  expect(screen.queryByRole("button", { name: "Try again" })).toBeNull();
});

it("reads every chart as text", async () => {
  show();
  await screen.findByRole("img", { name: "Spend by hour and weekday" });
  for (const button of await screen.findAllByRole("button", { name: "Table" })) await userEvent.click(button);
  const table = await screen.findByRole("table", { name: /Spend by model/ });
  expect(within(table).getAllByRole("row").length).toBeGreaterThan(10);
});

it("says so where the span has no calls, and looks further on a click", async () => {
  const { sums, ...more } = snapshot("summary_7d") as { sums: object };
  const nothing = { ...more, sums: { ...sums, calls: 0, cost_pico: "0", average_pico: null } };
  server.instead = (path, query) => (path === "summary" && query.get("since") === "7d" ? nothing : undefined);
  const router = show("/?tz=UTC&since=7d");
  await screen.findByText("No calls in this span.");
  expect(screen.queryByRole("img")).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: "Look at the last 30 days" }));
  await waitFor(() => expect(router.state.location.search).toEqual({ tz: "UTC", since: "30d" }));
  await screen.findByRole("img", { name: "Spend by hour and weekday" });
});

it("says what moved, what the month comes to, and opens the rest of a breakdown", async () => {
  server.instead = (path, query) =>
    path === "breakdown" && query.get("limit") === "6" ? snapshot("breakdown_top") : undefined;
  show();
  const movers = await screen.findByRole("region", { name: "Biggest movers" });
  const { movers: moved, total_change_usd } = snapshot("movers") as {
    movers: { keys: { app: string | null } }[];
    total_change_usd: string;
  };
  await within(movers).findByTitle(new RegExp(`^[+]?\\$?-?\\$${total_change_usd.replace("-", "")}`));
  expect(within(movers).getAllByRole("listitem").length).toBe(moved.length);
  expect((await screen.findByTestId("projected")).textContent).toContain("$");
  const spend = screen.getByRole("region", { name: "Spend by model" });
  await userEvent.click(await within(spend).findByRole("button", { name: /^Everything else/ }));
  await waitFor(() => expect(within(spend).queryByRole("button", { name: /^Everything else/ })).toBeNull());
  expect(server.asked.some((url) => url.includes("breakdown") && url.includes("limit=200"))).toBe(true);
});
