import assert from "node:assert/strict";
import { test } from "node:test";
import { attribute, FareboxError, outcome, record, score, track } from "../src/index.js";
import { atHome, chat, recorded, USAGE } from "./serving.js";

test("what comes out of record(), outcome() and score() is an event each", async () => {
  const home = atHome("http://127.0.0.1:9");
  record({ provider: "openai", model: "gpt-4o", usage: USAGE, customer: "acme", eventId: "order-17" });
  outcome("lead.qualified", { task: "t-1", value: "40.00" });
  attribute({ task: "t-2" }, () => score({ name: "faithfulness", value: 0.92 }));
  const [call, lead, faith] = await recorded(home);
  assert.deepEqual([call.id, call.usage, call.customer], ["order-17", USAGE, "acme"]);
  assert.deepEqual([lead.type, lead.name, lead.value, lead.task], ["outcome", "lead.qualified", "40.00", "t-1"]);
  assert.deepEqual([faith.type, faith.value, faith.task], ["score", "0.92", "t-2"]);
});

test("what makes no sense is refused before anything is recorded", () => {
  atHome("http://127.0.0.1:9");
  assert.throws(() => record({ provider: "Open AI", model: "m", usage: USAGE }), FareboxError);
  assert.throws(() => record({ provider: "openai", model: "m", usage: {} }), FareboxError);
  assert.throws(() => outcome(""), FareboxError);
  assert.throws(() => score({ name: "n", value: "good" }), FareboxError);
  assert.throws(() => track({}, {}), FareboxError);
});

test("track() records a response and a stream, and gives back what it was given", async () => {
  const home = atHome("http://127.0.0.1:9");
  const response = JSON.parse(chat("chatcmpl-t"));
  assert.equal(track(response, { provider: "openai", customer: "acme" }), response);
  const made = {
    async *[Symbol.asyncIterator]() {
      yield { type: "message_start", message: { id: "m", usage: { input_tokens: 10 } } };
      yield { type: "message_delta", usage: { output_tokens: 5 } };
    },
    name: () => "a stream",
  };
  const stream = track(made, { provider: "anthropic" });
  assert.equal(stream.name(), "a stream");
  const seen = [];
  for await (const event of stream) seen.push(event.type);
  assert.deepEqual(seen, ["message_start", "message_delta"]);
  const [whole, streamed] = await recorded(home);
  assert.match(whole.excerpt.response, /"prompt_tokens":100/);
  assert.match(streamed.excerpt.response, /"input_tokens":10.*"output_tokens":5/s);
});

test("names reach what runs later, and inner ones win", async () => {
  const home = atHome("http://127.0.0.1:9");
  await attribute({ customer: "acme", user: "anna" }, async () => {
    await new Promise(setImmediate);
    await attribute({ user: "ben" }, () => Promise.resolve().then(() => outcome("done")));
  });
  const [event] = await recorded(home);
  assert.deepEqual([event.customer, event.user], ["acme", "ben"]);
  assert.equal(event.attribution_from.user, "sdk:attribute");
});
