// Compiled and never run: the types say what the package takes and gives.

import { attribute, configure, flush, instrument, meter, outcome, record, score, track, wrap } from "../index.js";

configure({ collector: "https://farebox.example.com", token: "t", providers: { "http://localhost:11434": "ollama" } });
instrument();
const client = wrap({ chat: () => 1 }, { customer: "acme", provider: "openai" });
const one: number = client.chat();
const metered: typeof fetch = meter(fetch, { tags: { feature: "summary" } });
const text: Promise<string> = attribute({ customer: "acme", parentStep: 1 }, async () => (await metered("https://api.openai.com")).text());
const id: string | undefined = record({ provider: "openai", model: "gpt-4o", usage: { input_uncached: 1 }, eventId: "a" });
outcome("done", { value: "4.00", occurredAt: new Date() });
score({ name: "faithfulness", value: 0.9 });
const same: { id: string } = track({ id: "x" }, { provider: "openai" });
const sent: Promise<boolean> = flush({ timeout: 1 });
// @ts-expect-error a call has a model
record({ provider: "openai", usage: {} });
export { id, one, same, sent, text };
