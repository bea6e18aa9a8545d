import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it } from "vitest";
import { servePage, server, show, snapshot } from "./page-harness";

servePage();

const NAMES: Record<string, string> = {
  "budgets/acme-daily": "budget",
  "budgets/acme-daily/simulation": "budget_simulation",
  "budget-simulation": "budget_simulation",
  "alert-kinds": "alert_kinds",
  "alert-events": "alert_events",
  "documents/INV-000007": "document_final",
  "documents/dddddddddddddddddddddddddddddddd": "document_draft",
  "documents/preview": "document_preview",
  "documents/CN-000001": "document_note",
  "wallets/of": "wallet",
  "plans/preview": "changes",
};

/** What a change is answered with, by method and path. */
let answers: Record<string, () => Response> = {};
let role = "admin";

beforeEach(() => {
  answers = {};
  role = "admin";
  HTMLDialogElement.prototype.showModal = function showModal(): void {
    this.open = true;
  };
  server.instead = (path, _query, method) => {
    const given = answers[`${method} ${path}`];
    if (given) return given();
    if (path === "session") return { role };
    if (path === "breakdown") return snapshot("breakdown_model");
    const name = NAMES[path] ?? path;
    try {
      return snapshot(name);
    } catch {
      return undefined;
    }
  };
});

function refused(name: string): () => Response {
  return () => new Response(JSON.stringify(snapshot(name)), { status: 422 });
}

const CHANGING =
  /^(New |Edit|Remove|Stop calls|Release|Snooze|Send a test|Tell again|Run billing|Finalize|Void|Credit note…|Apply|Retire|Subscribe|Change plan|End$|Grant|Limits|Take back)/;

it.each([
  ["/budgets?budget=acme-daily", "acme-daily"],
  ["/alerts?alert=jump", "jump"],
  ["/billing?invoice=INV-000007", "What happens next"],
  ["/billing?tab=plans", "pro"],
  ["/billing?tab=subscriptions", "pro"],
  ["/billing?tab=wallets&wallet=acme", "Order 7"],
  ["/billing?tab=coupons", "LAUNCH"],
  ["/customers?customer=acme", "Acme Inc."],
])("shows a reader no button that would be refused: %s", async (address, text) => {
  role = "read";
  show(`${address}&tz=UTC`);
  expect((await screen.findAllByText(new RegExp(text))).length).toBeGreaterThan(0);
  await waitFor(() => expect(document.querySelector(".skeleton")).toBeNull());
  expect(screen.queryAllByRole("button", { name: CHANGING })).toEqual([]);
});

it("shows an owner the same screens with them", async () => {
  show("/budgets?budget=acme-daily&tz=UTC");
  for (const name of ["New budget", "Edit", "Remove", "Stop calls…", "Release"])
    expect(await screen.findByRole("button", { name })).toBeTruthy();
});

it("draws budgets as they are enforced, and says what one does and whom it would have hurt", async () => {
  show("/budgets?tz=UTC");
  const table = await screen.findByRole("table", { name: "Budgets" });
  const names = within(table)
    .getAllByRole("row")
    .slice(1)
    .map((row) => within(row).getAllByRole("button")[0]?.textContent);
  expect(names).toEqual(["everything", "acme-daily", "per-session"]);
  await userEvent.click(within(table).getByRole("button", { name: "acme-daily" }));
  const panel = await screen.findByRole("complementary", { name: "acme-daily" });
  await within(panel).findByText(/waits for others to end, for 20s at most/);
  await within(panel).findByText("No call of the last 30 days is one that it is for.");
  expect(panel.textContent).toContain("customer acme");
});

it("tells every mistake of a budget at its field", async () => {
  answers["PUT budgets/daily"] = refused("budget_wrong");
  show("/budgets?tz=UTC");
  await userEvent.click(await screen.findByRole("button", { name: "New budget" }));
  const dialog = screen.getByRole("dialog", { name: "New budget" });
  await userEvent.type(within(dialog).getByLabelText("Name"), "daily");
  await userEvent.type(within(dialog).getByLabelText("Limit in dollars"), "-5");
  await userEvent.click(within(dialog).getByRole("button", { name: "Set the budget" }));
  const limit = within(dialog).getByLabelText("Limit in dollars");
  await waitFor(() => expect(limit.getAttribute("aria-invalid")).toBe("true"));
  const wrong = (label: string): string => {
    const field = within(dialog).getByLabelText(label);
    return document.getElementById(field.getAttribute("aria-describedby") ?? "")?.textContent ?? "";
  };
  expect(wrong("Limit in dollars")).toMatch(/^found '-5', expected/);
  expect(wrong("Period")).toMatch(/^found 'dai', expected/);
  expect(wrong("Only calls of")).toMatch(/expected/);
  expect(wrong("Each")).not.toMatch(/expected/);
});

it("shows what a text changes before it is applied, and mistakes by their line", async () => {
  show("/billing?tab=plans&tz=UTC");
  await userEvent.click(await screen.findByRole("button", { name: "Edit as YAML" }));
  const dialog = screen.getByRole("dialog", { name: "Edit pro" });
  const text = within(dialog).getByRole("textbox") as HTMLTextAreaElement;
  expect(text.value).toContain("plans:");
  answers["POST plans/preview"] = refused("changes_wrong");
  await userEvent.click(within(dialog).getByRole("button", { name: "Show what it changes" }));
  const { details } = snapshot("changes_wrong") as { details: { lines: string[] } };
  const line = await within(dialog).findByRole("button", { name: `Line ${details.lines[0]}` });
  expect(line.closest("li")?.textContent).toContain("'costs'");
  expect(within(dialog).queryByRole("button", { name: "Apply" })).toBeNull();
  delete answers["POST plans/preview"];
  await userEvent.type(text, " ");
  await userEvent.click(within(dialog).getByRole("button", { name: "Show what it changes" }));
  await within(dialog).findByText("base: 20.00 → 25.00");
  answers["PUT plans"] = () => new Response(JSON.stringify(snapshot("changes")));
  await userEvent.click(within(dialog).getByRole("button", { name: "Apply" }));
  await waitFor(() => expect(screen.queryByRole("dialog", { name: "Edit pro" })).toBeNull());
  const put = server.sent.find(({ method, path }) => method === "PUT" && path === "plans");
  expect(put?.type).toBe("application/yaml");
  expect(put?.body).toContain("plans:");
});

it("voids and credits nothing without a reason, and says what happens", async () => {
  show("/billing?invoice=INV-000007&tz=UTC");
  await screen.findByText(/is left to pay by 15 December 2026/);
  await userEvent.click(screen.getByRole("button", { name: "Void…" }));
  const dialog = screen.getByRole("dialog", { name: "Void INV-000007?" });
  const deed = within(dialog).getByRole("button", { name: "Void INV-000007" }) as HTMLButtonElement;
  expect(deed.disabled).toBe(true);
  await userEvent.type(within(dialog).getByLabelText("Why"), "issued twice");
  answers["POST invoices/void"] = () => new Response(JSON.stringify(snapshot("invoices")));
  await userEvent.click(deed);
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  expect(JSON.parse(server.sent.at(-1)?.body ?? "{}")).toEqual({
    invoice: "INV-000007",
    reason: "issued twice",
  });
});

it("credits a part of a line as text, to the last digit", async () => {
  show("/billing?invoice=INV-000007&tz=UTC");
  await userEvent.click(await screen.findByRole("button", { name: "Credit note…" }));
  const dialog = screen.getByRole("dialog", { name: "Credit note for INV-000007" });
  await userEvent.click(within(dialog).getByLabelText("Everything that is left of it"));
  await userEvent.type(within(dialog).getByLabelText("Output"), "0.10");
  await userEvent.type(within(dialog).getByLabelText("Why"), "slow");
  answers["POST invoices/credit-notes"] = () =>
    new Response(JSON.stringify({ credit_note: { number: "CN-000001" } }));
  await userEvent.click(within(dialog).getByRole("button", { name: "Issue the credit note" }));
  await screen.findByText("Credited");
  const sent = server.sent.find(({ path }) => path === "invoices/credit-notes");
  expect(JSON.parse(sent?.body ?? "{}")).toEqual({
    invoice: "INV-000007",
    lines: { "2": "0.10" },
    reason: "slow",
  });
});

it("says of a draft what happens next, and issues it only when that is confirmed", async () => {
  show("/billing?invoice=dddddddddddddddddddddddddddddddd&tz=UTC");
  await screen.findByText(/The first run after/);
  await userEvent.click(screen.getByRole("button", { name: "Finalize…" }));
  const dialog = screen.getByRole("dialog", { name: "Issue the invoice of acme?" });
  expect(dialog.textContent).toContain("gets the next number and is frozen");
  expect(server.sent).toEqual([]);
  await userEvent.click(within(dialog).getByRole("button", { name: "Cancel" }));
  expect(server.sent).toEqual([]);
});

it("says who is told of an alert, that it is snoozed, and how each channel received a test", async () => {
  show("/alerts?alert=big-day&tz=UTC");
  const table = await screen.findByRole("table", { name: "Alerts" });
  expect(within(table).getByText("snoozed")).toBeTruthy();
  const panel = await screen.findByRole("complementary", { name: "big-day" });
  const channels = [{ receiver: "ops", id: "1", outcome: "failed", reason: "status 500", is_stopped: false }];
  answers["POST alerts/big-day/test"] = () => new Response(JSON.stringify({ channels }));
  await userEvent.click(within(panel).getByRole("button", { name: "Send a test" }));
  await within(panel).findByText(/did not receive it/);
  expect(panel.textContent).toContain("status 500");
});

it("offers the settings that a kind of alert has, and no others", async () => {
  show("/alerts?tz=UTC");
  await userEvent.click(await screen.findByRole("button", { name: "New alert" }));
  const dialog = screen.getByRole("dialog", { name: "New alert" });
  expect(within(dialog).getByLabelText("Period")).toBeTruthy();
  await userEvent.selectOptions(within(dialog).getByLabelText("Watches"), "errors");
  expect(within(dialog).queryByLabelText("Period")).toBeNull();
  expect((within(dialog).getByLabelText("Fires at") as HTMLInputElement).value).toBe("5%");
  expect((within(dialog).getByLabelText("Over") as HTMLInputElement).value).toBe("10m");
  await userEvent.type(within(dialog).getByLabelText("Name"), "failing");
  answers["PUT alerts/failing"] = () =>
    new Response(JSON.stringify({ ...(snapshot("alerts").alerts as object[])[0], name: "failing" }));
  await userEvent.click(within(dialog).getByRole("button", { name: "Set the alert" }));
  await waitFor(() => expect(server.sent.length).toBe(1));
  expect(JSON.parse(server.sent[0]?.body ?? "{}")).toEqual({
    errors: "true",
    at: ["5%"],
    over: "10m",
    calls_min: "20",
    to: ["ops"],
    severity: "warning",
  });
});

it("shows customers with what they cost, pay and earn, and opens one", async () => {
  show("/customers?tz=UTC&month=2026-11");
  const table = await screen.findByRole("table", { name: "Customers" });
  await userEvent.click(within(table).getByRole("button", { name: "Acme Inc." }));
  await screen.findByText(/is what it comes to by now/);
  expect(await screen.findByRole("region", { name: "Whose calls are its own" })).toBeTruthy();
  expect(screen.getByText("INV-000007")).toBeTruthy();
  await userEvent.click(screen.getByRole("button", { name: "← All customers" }));
  await screen.findByRole("table", { name: "Customers" });
});

it("says of a customer on no plan why nothing can be charged, and no error above the screen", async () => {
  const words = { code: "usage_error", message: "globex has no subscription now", details: {} };
  answers["GET documents/preview"] = () => new Response(JSON.stringify(words), { status: 422 });
  show("/customers?tz=UTC&customer=globex&month=2026-11");
  const card = await screen.findByRole("region", { name: "Charge so far" });
  await within(card).findByText("globex has no subscription now");
  expect(screen.queryByRole("alert")).toBeNull();
});

it("orders a table by the address, and back", async () => {
  const router = show("/billing?tz=UTC");
  const table = await screen.findByRole("table", { name: "Invoices" });
  const totals = (): string[] =>
    within(table)
      .getAllByRole("row")
      .slice(1)
      .map((row) => within(row).getAllByRole("cell")[4]?.textContent ?? "");
  expect(totals()).toEqual(["$20.00", "$21.79"]);
  await userEvent.click(within(table).getByRole("button", { name: /Total/ }));
  expect(router.state.location.search).toMatchObject({ "invoices-sort": "-total" });
  expect(totals()).toEqual(["$21.79", "$20.00"]);
});
