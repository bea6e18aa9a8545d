import { cleanup, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import { servePage, server, show, snapshot } from "./page-harness";
import { SCREENS } from "./screens";

servePage();

it("has every screen in the navigation, under a key of its own, and says which one is shown", async () => {
  show("/explorer?tz=UTC");
  await screen.findByRole("table", { name: "Calls" });
  const [navigation] = screen.getAllByRole("navigation", { name: "Screens" });
  const links = within(navigation as HTMLElement).getAllByRole("link");
  expect(links.map((link) => link.textContent?.replace(/g .$/, ""))).toEqual(
    SCREENS.map(({ title }) => title),
  );
  expect(links.filter((link) => link.getAttribute("aria-current") === "page").length).toBe(1);
  expect(screen.getByRole("heading", { level: 1 }).textContent).toBe("Explorer");
  expect(document.title).toBe("Explorer · Farebox");
  expect(new Set(SCREENS.map(({ key }) => key)).size).toBe(SCREENS.length);
});

it("goes to a screen by g and its key, with the span and the filters, and without what is open", async () => {
  const router = show("/?tz=UTC&since=7d&model=gpt-4o&call=019aa000-0000-7000-8000-000000000005");
  await screen.findByTestId("spend");
  await userEvent.keyboard("ge");
  await waitFor(() => expect(router.state.location.pathname).toBe("/explorer"));
  expect(router.state.location.search).toEqual({ tz: "UTC", since: "7d", model: "gpt-4o" });
  await screen.findByRole("heading", { level: 1, name: "Explorer" });
  await userEvent.keyboard("g{Escape}o"); // another key in between: nothing
  expect(router.state.location.pathname).toBe("/explorer");
});

it("keeps what it does not know of an address, for the screen that does", async () => {
  const router = show("/explorer?tz=UTC&sort=cost");
  await screen.findByRole("table", { name: "Calls" });
  await userEvent.click(screen.getByRole("button", { name: "7d" }));
  await waitFor(() => expect(router.state.location.search).toEqual({ tz: "UTC", since: "7d", sort: "cost" }));
});

it("finds screens, commands and values in the palette", async () => {
  const seen = { dimension: "model", value: "gpt-4o-mini", label: null, calls: 9 };
  server.instead = (path) => (path === "values" ? { values: [seen], truncated: false } : undefined);
  const router = show();
  await screen.findByTestId("spend");
  await userEvent.keyboard("{Control>}k{/Control}");
  const field = await screen.findByRole("combobox", { name: /^Find a screen/ });
  await userEvent.type(field, "expl{Enter}");
  await waitFor(() => expect(router.state.location.pathname).toBe("/explorer"));
  await userEvent.keyboard("{Control>}k{/Control}");
  await userEvent.type(await screen.findByRole("combobox", { name: /^Find a screen/ }), "4o-mi");
  await userEvent.click(await screen.findByRole("option", { name: /gpt-4o-mini/ }));
  await waitFor(() => expect(router.state.location.search).toMatchObject({ model: "gpt-4o-mini" }));
  await userEvent.keyboard("{Control>}k{/Control}");
  await userEvent.type(await screen.findByRole("combobox", { name: /^Find a screen/ }), "dark{Enter}");
  expect(document.documentElement.dataset.theme).toBe("dark");
  expect(localStorage.getItem("farebox.theme")).toBe("dark");
  localStorage.clear();
  delete document.documentElement.dataset.theme;
});

it("shows days in another zone where one is chosen, and refuses what is none", async () => {
  const router = show("/?tz=UTC");
  await screen.findByTestId("spend");
  await userEvent.click(screen.getByRole("button", { name: /^Time zone: UTC/ }));
  const dialog = screen.getByRole("dialog", { name: "Time zone" });
  const field = within(dialog).getByRole("combobox", { name: "Another zone" });
  await userEvent.type(field, "Europe/Nowhere{Enter}");
  await within(dialog).findByText(/There is no zone/);
  expect(router.state.location.search).toMatchObject({ tz: "UTC" });
  await userEvent.clear(field);
  await userEvent.type(field, "asia/kolkata{Enter}");
  await waitFor(() =>
    expect((router.state.location.search as { tz?: string }).tz).toMatch(/^Asia\/(Kolkata|Calcutta)$/),
  );
});

it("says so where the address is no screen's", async () => {
  show("/nowhere");
  await screen.findByText("There is no such screen.");
});

it("says on every screen of a demo that nothing is real, and nowhere else", async () => {
  server.instead = (path) => (path === "status" ? { ...snapshot("status_running"), demo: true } : undefined);
  show("/explorer?tz=UTC");
  await screen.findByText("Demo data: everything here is made up.");
  cleanup();
  server.instead = () => undefined;
  show("/explorer?tz=UTC");
  await screen.findByRole("table", { name: "Calls" });
  expect(screen.queryByText(/everything here is made up/)).toBeNull();
});
