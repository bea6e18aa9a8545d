import { act, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, it, vi } from "vitest";
import { FakeEvents, servePage, server, show, snapshot } from "./page-harness";

servePage();
afterEach(() => vi.useRealTimers());

/** Whether a figure is drawn as what its label says, and not as something of an earlier moment. */
function isCurrent(element: Element): boolean {
  return element.closest('[aria-busy="true"]') === null;
}

const PANELS = ["Spend by model", "Biggest movers", "This month", "Most expensive calls"];

it("dims every figure of the old span until those of the new one are there", async () => {
  let release = (): void => undefined;
  const slow = new Promise<void>((resolve) => {
    release = resolve;
  });
  server.instead = (path, query) =>
    query.get("since") === "7d" && path !== "live"
      ? slow.then(() => (path === "summary" ? snapshot("summary_7d") : undefined))
      : undefined;
  show();
  const spend = await screen.findByTestId("spend");
  expect(isCurrent(spend)).toBe(true); // the control
  await userEvent.click(screen.getByRole("button", { name: "7d" }));
  await screen.findByText("Spend, last 7 days");
  expect(isCurrent(screen.getByTestId("spend"))).toBe(false);
  expect(isCurrent(screen.getByRole("img", { name: "Spend by model, last 7 days" }))).toBe(false);
  for (const title of PANELS) {
    const panel = screen.getByRole("region", { name: title });
    if (title !== "This month") expect(panel.querySelector('[aria-busy="true"]')).not.toBeNull();
  }
  release();
  await waitFor(() => expect(isCurrent(screen.getByTestId("spend"))).toBe(true));
});

it("shows no figure of the old span where the new one cannot be had", async () => {
  const down = { code: "internal_error", message: "Something went wrong here.", details: {} };
  server.instead = (_path, query) =>
    query.get("since") === "7d" ? new Response(JSON.stringify(down), { status: 500 }) : undefined;
  show();
  await screen.findByTestId("spend");
  await userEvent.click(screen.getByRole("button", { name: "7d" }));
  await waitFor(() => expect(screen.queryByTestId("spend")).toBeNull());
  await screen.findByText("Something went wrong here.");
  for (const title of PANELS.filter((each) => each !== "This month")) {
    const panel = await screen.findByRole("region", { name: title });
    await within(panel).findByText(/^Not available/);
    expect(within(panel).queryByText(/\$/)).toBeNull();
  }
});

it("dims everything, stands still and says since when while the server is silent", async () => {
  show();
  const spend = await screen.findByTestId("spend");
  const status = (): string | null | undefined =>
    screen.getAllByRole("status").find((each) => each.closest("header"))?.textContent;
  expect(status()).toBe("Connecting");
  act(() => FakeEvents.last?.push("hello", { last_seq: 9, at_ms: 0 }));
  expect(status()).toBe("Live");
  expect(isCurrent(spend)).toBe(true);
  act(() => FakeEvents.last?.onerror?.());
  expect(status()).toBe("Reconnecting");
  expect(isCurrent(screen.getByTestId("spend"))).toBe(false);
  expect(isCurrent(screen.getByRole("img", { name: "Spend by hour and weekday" }))).toBe(false);
  act(() => FakeEvents.last?.push("hello", { last_seq: 9, at_ms: 0 }));
  expect(status()).toBe("Live");
  await waitFor(() => expect(isCurrent(screen.getByTestId("spend"))).toBe(true));
});

it("asks for everything again once the server is back, for no event tells what was missed", async () => {
  show();
  await screen.findByTestId("spend");
  act(() => FakeEvents.last?.push("hello", { last_seq: 9, at_ms: 0 }));
  await waitFor(() => expect(server.asked.length).toBeGreaterThan(6));
  act(() => FakeEvents.last?.onerror?.());
  const before = server.asked.length;
  act(() => FakeEvents.last?.push("hello", { last_seq: 9, at_ms: 0 }));
  await waitFor(() => {
    const again = server.asked.slice(before).join(" ");
    for (const path of ["summary", "breakdown", "series", "movers", "heat-map", "projection", "status"])
      expect(again).toContain(path);
  });
});

it("says so where the call in the address is unknown", async () => {
  const gone = { code: "call_not_found", message: "no call …", details: {} };
  server.instead = (path) =>
    path.startsWith("calls/") ? new Response(JSON.stringify(gone), { status: 404 }) : undefined;
  show("/explorer?tz=UTC&call=019aa000-nope");
  const receipt = await screen.findByRole("complementary", { name: "Receipt" });
  await within(receipt).findByText("There is no such call here.");
  expect(receipt.textContent).toContain("019aa000-nope");
  expect(within(receipt).queryByRole("button", { name: "Try again" })).toBeNull();
});

it("says so, too, where nothing was recorded yet", async () => {
  server.status = "status_empty";
  const gone = { code: "call_not_found", message: "no call …", details: {} };
  server.instead = (path) =>
    path.startsWith("calls/") ? new Response(JSON.stringify(gone), { status: 404 }) : undefined;
  show("/?tz=UTC&call=019aa000-nope");
  await screen.findByText("There is no such call here.");
});

it("shows a key's name wherever the key is, for calls from before it had one", async () => {
  const fingerprint = "a1b2c3d4e5f60718";
  server.keyLabels = { [fingerprint]: "backend" };
  const router = show("/?tz=UTC&by=key");
  const panel = await screen.findByRole("region", { name: "Spend by API key" });
  await within(panel).findByText("backend");
  await router.navigate({
    to: "/explorer",
    search: { tz: "UTC", key: fingerprint, call: "019aa000-0000-7000-8000-000000000005" },
  } as never);
  await screen.findByRole("button", { name: "Remove filter API key: backend" });
  const receipt = await screen.findByRole("complementary", { name: "Receipt" });
  await within(receipt).findByText("backend");
});

it("returns the focus to the row that the receipt was opened from", async () => {
  show("/explorer?tz=UTC");
  await screen.findByText("my-finetune", { selector: "[role=cell] *" });
  const { calls } = snapshot("calls") as { calls: { event_id: string }[] };
  const row = document.querySelector<HTMLElement>(`[data-call="${calls[1]?.event_id}"]`) as HTMLElement;
  await userEvent.click(row);
  await userEvent.click(await screen.findByRole("button", { name: "Close the receipt" }));
  await waitFor(() => expect(document.activeElement).toBe(row));
  await userEvent.keyboard("{Enter}");
  await screen.findByRole("complementary", { name: "Receipt" });
});

it("has one row that Tab comes to, and moves the focus with j and k", async () => {
  show("/explorer?tz=UTC");
  await screen.findByText("my-finetune", { selector: "[role=cell] *" });
  const rows = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>("[data-call]")];
  expect(rows().filter((row) => row.tabIndex === 0)).toEqual([rows()[0]]);
  await userEvent.keyboard("jj");
  expect(document.activeElement).toBe(rows()[1]);
  expect(rows().filter((row) => row.tabIndex === 0)).toEqual([rows()[1]]);
});

it("has in a chart's table the figures that the chart is made of", async () => {
  show();
  await screen.findByTestId("spend");
  const region = await screen.findByRole("region", { name: "Spend by model, today" });
  await userEvent.click(within(region).getByRole("button", { name: "Table" }));
  const table = within(region).getByRole("table");
  const series = snapshot("series_hour") as {
    starts: string[];
    lines: { key: string; cost_pico: string[] }[];
    unpriced_calls: number[];
  };
  const headers = within(table)
    .getAllByRole("columnheader")
    .map((each) => each.textContent);
  expect(headers).toEqual(["Time", "Calls", "Unpriced", "All", ...series.lines.map((line) => line.key)]);
  const rows = within(table).getAllByRole("row").slice(1);
  expect(rows.length).toBe(series.starts.length);
  rows.reverse().forEach((row, index) => {
    const cells = within(row).getAllByRole("cell");
    series.lines.forEach((line, column) => {
      expect(cells[4 + column]?.textContent === "·").toBe(line.cost_pico[index] === "0");
    });
    expect(cells[3]?.textContent?.startsWith("≥")).toBe((series.unpriced_calls[index] ?? 0) > 0);
  });
});

it("asks again at midnight, for today is another day then", async () => {
  show("/explorer?tz=Europe/Berlin");
  await screen.findByText("my-finetune", { selector: "[role=cell] *" });
  const asked = (): number => server.asked.filter((url) => url.includes("/calls")).length;
  const { now } = snapshot("summary") as { now: object };
  const push = (at: string): void => act(() => FakeEvents.last?.push("figures", { ...now, at, last_seq: 9 }));
  push("2026-11-20T22:59:55Z");
  push("2026-11-20T22:59:59Z");
  expect(asked()).toBe(1); // the control
  push("2026-11-20T23:00:04Z"); // in Berlin
  await waitFor(() => expect(asked()).toBe(2));
});

it("shows the last hour once, by the newest figures, where that is the span", async () => {
  show("/?tz=Europe/Berlin&since=1h");
  const spend = await screen.findByTestId("spend");
  const { now } = snapshot("summary") as { now: { last_hour: object } };
  const last_hour = { ...now.last_hour, cost_pico: "7000000000000" };
  act(() => FakeEvents.last?.push("figures", { ...now, last_hour, at: "2099-01-01T00:00:00Z", last_seq: 9 }));
  await waitFor(() => expect(screen.getByTestId("spend").textContent).toContain("$7.00"));
  expect(spend.closest("section")?.textContent?.match(/last hour/gi)?.length).toBe(1);
});
