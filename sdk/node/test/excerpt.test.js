import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyExcerpt } from "../src/excerpt/body.js";
import { stream } from "./serving.js";

function excerpt(body, contentType = "", cut = body.length) {
  const made = new BodyExcerpt(contentType);
  const bytes = Buffer.from(body);
  for (let at = 0; at < bytes.length; at += cut) made.feed(new Uint8Array(bytes.subarray(at, at + cut)));
  return made.finish().response;
}

const whole = JSON.stringify({
  id: "résumé-😀",
  model: "gpt-4o",
  choices: [{ message: { content: 'a "secret" \\ {"usage":{"prompt_tokens":9}} '.repeat(50) }, finish_reason: "stop" }],
  metadata: { usage: "a secret", name: "a secret", id: "a secret" },
  usage: { prompt_tokens: 1e3, cost: 0.25, details: { cached_tokens: 4, note: "x".repeat(2000) } },
});

test("an excerpt is the same however its bytes are cut", () => {
  for (const body of [whole, `${whole}\n${whole.replace("1000", "0")}\n`, `[${whole},\n${whole}]`, stream().join("")]) {
    const wanted = excerpt(body);
    for (const cut of [1, 2, 3, 7, 64, 1000]) assert.equal(excerpt(body, "", cut), wanted);
    assert.doesNotMatch(wanted, /secret/);
  }
  assert.equal(
    excerpt(whole),
    '{"id":"résumé-😀","model":"gpt-4o","choices":[{"message":{},"finish_reason":"stop"}],"metadata":{},' +
      '"usage":{"prompt_tokens":1000,"cost":0.25,"details":{"cached_tokens":4}}}',
  );
});

test("lines of a stream may end in any way, and events may have several", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const body = [": hello", "event: x", 'data: {"id":"a",', 'data: "usage":{"n":1}}', "", "data: [DONE]", "", ""].join(end);
    for (const cut of [1, 2, 5, 999]) assert.equal(excerpt(body, "text/event-stream", cut), 'data: {"id":"a","usage":{"n":1}}\n\ndata: [DONE]\n\n');
  }
});

test("a long stream of running totals stays small and keeps its first and its last", () => {
  const made = new BodyExcerpt("text/event-stream");
  for (let count = 1; count <= 20_000; count += 1) {
    made.feed(Buffer.from(`data: {"responseId":"r","usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":${count}}}\n\n`));
  }
  const { response } = made.finish();
  assert.ok(response.length < 200_000);
  assert.match(response, /^data: .*"candidatesTokenCount":1}/);
  assert.match(response, /"candidatesTokenCount":20000}}\n\n$/);
});

test("a large body leaves no more than it says", () => {
  const made = new BodyExcerpt("application/json");
  made.feed(Buffer.from('{"data":[{"b64_json":"'));
  for (let number = 0; number < 200; number += 1) made.feed(Buffer.alloc(65_536, "A"));
  made.feed(Buffer.from('"}],"usage":{"input_tokens":5}}'));
  assert.equal(made.finish().response, '{"data":[1],"usage":{"input_tokens":5}}');
});

test("what is cut off says so, and what is no JSON says nothing", () => {
  assert.equal(excerpt('{"id":"a","usage":{"n":1'), '{"id":"a","usage":{');
  assert.equal(excerpt("<html>a page</html>"), undefined);
  assert.equal(excerpt(`{"a":${"[".repeat(100_000)}`), "{");
  let seed = 7;
  for (let round = 0; round < 2000; round += 1) {
    const bytes = Buffer.from(whole);
    for (let change = 0; change < 3; change += 1) {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      bytes[seed % bytes.length] = '{}[]",:\\0 '.charCodeAt(seed % 10);
    }
    excerpt(bytes, "", 1 + (seed % 90)); // whatever comes, it does not throw
  }
});
