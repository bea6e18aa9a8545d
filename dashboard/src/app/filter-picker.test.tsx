import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import { DIMENSIONS } from "@/shared/search/dimensions";
import { servePage, server, show } from "./page-harness";

servePage();

const SEEN = [
  { dimension: "model", value: "gpt-4o-mini", label: null, calls: 9 },
  { dimension: "model", value: "gpt-4o", label: null, calls: 4 },
  { dimension: "user", value: "Smith, John", label: null, calls: 2 },
  { dimension: "key", value: "a1b2c3d4e5f60718", label: "backend", calls: 2 },
];

/** Respond as the server does: values that contain the text, in one dimension or in all. */
function values(query: URLSearchParams): unknown {
  const [text, by] = [(query.get("contains") ?? "").toLowerCase(), query.get("by")];
  const found = SEEN.filter(({ value, label }) => `${label ?? ""} ${value}`.toLowerCase().includes(text));
  return { values: found.filter(({ dimension }) => by === null || dimension === by), truncated: false };
}

async function open(): Promise<ReturnType<typeof show>> {
  server.instead = (path, query) => (path === "values" ? values(query) : undefined);
  const router = show();
  await screen.findByTestId("spend");
  await userEvent.keyboard("/");
  return router;
}

/** The picker's choices; those of a card's own list of dimensions are no buttons. */
const options = (): (string | null)[] =>
  screen
    .queryAllByRole("option")
    .filter((each) => each instanceof HTMLButtonElement)
    .map((each) => each.textContent);

it("finds a value from the first keystroke, in every dimension, by a key's name too", async () => {
  const router = await open();
  await userEvent.keyboard("b");
  await waitFor(() => expect(options()).toContain("backend a1b2c3d4e5f60718API key"));
  await userEvent.keyboard("ackend{Enter}");
  await waitFor(() => expect(router.state.location.search).toMatchObject({ key: "a1b2c3d4e5f60718" }));
});

it("takes Enter for what is typed, before its values have come", async () => {
  const router = await open();
  await userEvent.keyboard("4o-mini{Enter}");
  await waitFor(() => expect(router.state.location.search).toMatchObject({ model: "gpt-4o-mini" }));
});

it("filters by one value where the value has a comma", async () => {
  const router = await open();
  await userEvent.keyboard("smith");
  await userEvent.click(await screen.findByRole("option", { name: /Smith, John/ }));
  await waitFor(() => expect(router.state.location.search).toMatchObject({ user: "Smith\\, John" }));
  await screen.findByRole("button", { name: "Remove filter User: Smith, John" });
});

it("picks the value that is typed whole before one that begins like it", async () => {
  const router = await open();
  await userEvent.keyboard("model{Enter}");
  await userEvent.keyboard("gpt-4o");
  await waitFor(() => expect(options()[0]).toBe("gpt-4o4 calls"));
  await userEvent.keyboard("{Enter}");
  await waitFor(() => expect(router.state.location.search).toMatchObject({ model: "gpt-4o" }));
});

it("filters by what nobody has seen only where it says so", async () => {
  const router = await open();
  await userEvent.keyboard("zzz");
  await screen.findByText("“zzz” is in nothing that was seen in this span.");
  await userEvent.keyboard("{Enter}");
  expect(router.state.location.search).toEqual({ tz: "Europe/Berlin" });
  await userEvent.keyboard("{Backspace}{Backspace}{Backspace}app{Enter}zzz");
  await screen.findByText(/Enter filters by it anyway/);
  await userEvent.keyboard("{Enter}");
  await waitFor(() => expect(router.state.location.search).toMatchObject({ app: "zzz" }));
});

it("promises nothing for a status or a state that cannot be", async () => {
  await open();
  await userEvent.keyboard("status{Enter}9xx");
  await screen.findByText("“9xx” is in nothing that was seen in this span.");
  await userEvent.keyboard("{Backspace}{Backspace}{Backspace}5xx");
  await screen.findByText(/Enter filters by it anyway/);
});

it("says what went wrong where the values cannot be had", async () => {
  await open();
  const down = { code: "internal_error", message: "Something went wrong here.", details: {} };
  server.instead = () => new Response(JSON.stringify(down), { status: 500 });
  await userEvent.keyboard("qq");
  await screen.findByText("Something went wrong here.");
  expect(screen.queryByText(/nothing that was seen/)).toBeNull();
});

it("gives the focus back to its button", async () => {
  await open();
  await userEvent.keyboard("{Escape}");
  expect(document.activeElement).toBe(screen.getByRole("button", { name: /^Filter/ }));
});

it("lists the dimensions alone when it is opened again", async () => {
  await open();
  await userEvent.keyboard("smith");
  await userEvent.click(await screen.findByRole("option", { name: /Smith, John/ }));
  await userEvent.keyboard("/");
  await waitFor(() => expect(options().length).toBe(DIMENSIONS.length));
  expect(options()[0]).toBe("Provider…");
});

it("leaves j, k and Enter to the list of calls after a value was picked", async () => {
  const router = await open();
  await userEvent.keyboard("smith");
  await userEvent.click(await screen.findByRole("option", { name: /Smith, John/ }));
  await screen.findByRole("button", { name: /^Remove filter User/ });
  await userEvent.keyboard("ge");
  await screen.findByText("my-finetune", { selector: "[role=cell] *" });
  await userEvent.keyboard("j{Enter}");
  await waitFor(() => expect(router.state.location.search).toHaveProperty("call"));
  expect(options()).toEqual([]);
});
