import { act, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import { FakeEvents, servePage, show, snapshot } from "./page-harness";

servePage();

it("never shows a call without a price as zero", async () => {
  show("/explorer?tz=Europe/Berlin");
  const row = await screen.findByText("my-finetune", { selector: "[role=cell] *" });
  const cells = row.closest("[role=row]");
  expect(cells?.textContent).toContain("unpriced");
  expect(cells?.textContent).not.toContain("$");
});

it("opens the receipt: quantity × price = amount, down to the total", async () => {
  show("/explorer?tz=UTC&call=019aa000-0000-7000-8000-000000000005");
  const receipt = await screen.findByRole("complementary", { name: "Receipt" });
  await within(receipt).findByText("12,000 × $0.15 per million");
  expect(receipt.textContent).toContain("4,000 × $0.6 per million");
  expect(receipt.textContent).toContain("By list price$0.0042");
  expect(receipt.textContent).toContain("valid from 2025-08-07");
  expect(receipt.textContent).toContain("openai/gpt-4o-mini/2025-08-07#input_uncached");
  expect(receipt.textContent).toContain("header:x-farebox-user");
});

it("grows by itself, holds still on Space, and counts what waits", async () => {
  show("/explorer?tz=Europe/Berlin");
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

it("moves with j and k, opens with Enter, closes with Escape", async () => {
  const router = show("/explorer?tz=Europe/Berlin");
  await screen.findByText("my-finetune", { selector: "[role=cell] *" });
  await userEvent.keyboard("jjk{Enter}");
  const { calls } = snapshot("calls") as { calls: { event_id: string }[] };
  await waitFor(() => expect(router.state.location.search).toMatchObject({ call: calls[0]?.event_id }));
  await userEvent.keyboard("{Escape}");
  await waitFor(() => expect(router.state.location.search).not.toHaveProperty("call"));
});
