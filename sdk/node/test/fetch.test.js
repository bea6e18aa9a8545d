import assert from "node:assert/strict";
import { test } from "node:test";
import { attribute, flush, meter } from "../src/index.js";
import { atHome, chat, nobody, recorded, serve, stream } from "./serving.js";

const PATH = "/v1/chat/completions";
const asked = { method: "POST", body: JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "a secret" }] }) };

test("a call is recorded without a word of what was said", async () => {
  const url = await serve((_, response) => response.setHeader("content-type", "application/json").end(chat()));
  const home = atHome(url);
  const response = await attribute({ customer: "acme", tags: { Feature: "summary" } }, () => meter(fetch)(url + PATH, asked));
  assert.equal((await response.json()).id, "chatcmpl-1");
  const [event] = await recorded(home);
  assert.equal(event.provider, "openai");
  assert.equal(event.customer, "acme");
  assert.deepEqual(event.tags, { feature: "summary" });
  assert.equal(event.outcome, "completed");
  assert.equal(event.path, PATH);
  assert.match(event.excerpt.response, /"usage":\{"prompt_tokens":100,"completion_tokens":20\}/);
  assert.equal(event.excerpt.request, '{"model":"gpt-4o"}');
  assert.doesNotMatch(JSON.stringify(event), /secret/);
});

test("a response is what it would have been: status, address, headers, clone, blob", async () => {
  const url = await serve((request, response) => {
    if (request.url === "/moved") response.writeHead(307, { location: PATH }).end();
    else response.writeHead(201, "Made", { "content-type": "text/plain", "set-cookie": ["a=1", "b=2"], "x-request-id": "r" }).end(chat());
  });
  const home = atHome(url);
  const [plain, metered] = [await fetch(`${url}/moved`, asked), await meter(fetch)(`${url}/moved`, asked)];
  for (const field of ["status", "statusText", "ok", "redirected", "url", "type", "bodyUsed"]) {
    assert.equal(metered[field], plain[field], field);
  }
  assert.ok(metered instanceof Response);
  assert.deepEqual(metered.headers.getSetCookie(), ["a=1", "b=2"]);
  const clone = metered.clone();
  assert.equal(clone.url, plain.url);
  assert.equal(await clone.text(), chat());
  assert.equal((await metered.blob()).size, chat().length);
  assert.equal(metered.bodyUsed, true);
  await assert.rejects(metered.text(), TypeError);
  assert.equal((await recorded(home)).length, 1);
});

test("a stream is handed on event by event, and its usage is found in passing", async () => {
  let next;
  const url = await serve((_, response) => {
    response.setHeader("content-type", "text/event-stream");
    const events = stream();
    next = () => (events.length > 0 ? response.write(events.shift()) : response.end());
    next();
  });
  const home = atHome(url);
  const response = await meter(fetch)(url + PATH, asked);
  const seen = [];
  for await (const piece of response.body) {
    seen.push(Buffer.from(piece).toString()); // the server sends the next event once this one has arrived
    next();
  }
  assert.equal(seen.join(""), stream().join(""));
  const [event] = await recorded(home);
  assert.match(event.excerpt.response, /"usage":\{"prompt_tokens":100/);
  assert.match(event.excerpt.response, /data: \[DONE\]\n\n$/);
  assert.doesNotMatch(event.excerpt.response, /secret/);
});

test("nothing is read ahead of the program", async () => {
  let pulled = 0;
  const pull = (controller) => {
    pulled += 1;
    controller.enqueue(Buffer.from(`${pulled}`));
  };
  const body = new ReadableStream({ pull }, { highWaterMark: 0 });
  atHome("http://127.0.0.1:9");
  const response = await meter(async () => new Response(body))("http://127.0.0.1:9/v1/chat/completions", asked);
  const reader = response.body.getReader();
  assert.equal(pulled, 0);
  await reader.read();
  assert.equal(pulled, 1);
  await reader.cancel();
});

test("leaving a stream cancels it and is recorded so", async () => {
  const closed = Promise.withResolvers?.() ?? deferred();
  const url = await serve((_, response) => {
    response.setHeader("content-type", "text/event-stream").write(stream()[0]);
    response.on("close", closed.resolve);
  });
  const home = atHome(url);
  const response = await meter(fetch)(url + PATH, asked);
  const reader = response.body.getReader();
  await reader.read();
  await reader.cancel("enough");
  await closed.promise;
  const [event] = await recorded(home);
  assert.equal(event.outcome, "client_disconnected");
});

test("an abort is the program's own error, and the call is recorded", async () => {
  const url = await serve((_, response) => response.setHeader("content-type", "text/event-stream").write(stream()[0]));
  const home = atHome(url);
  const controller = new AbortController();
  const response = await meter(fetch)(url + PATH, { ...asked, signal: controller.signal });
  const reader = response.body.getReader();
  await reader.read();
  controller.abort();
  await assert.rejects(reader.read(), { name: "AbortError" });
  assert.equal((await recorded(home))[0].outcome, "client_disconnected");
});

test("a connection that breaks raises what it would have raised", async () => {
  const url = await serve((_, response) => {
    response.setHeader("content-type", "text/event-stream").write(stream()[0]);
    setImmediate(() => response.destroy());
  });
  const home = atHome(url);
  const plain = await fetch(url + PATH, asked).then((response) => response.text()).catch((error) => error);
  const response = await meter(fetch)(url + PATH, asked);
  const metered = await response.text().catch((error) => error);
  assert.equal(metered.name, plain.name);
  assert.equal(metered.message, plain.message);
  assert.equal((await recorded(home))[0].outcome, "upstream_failed");
});

test("a provider that is not there costs nothing, and the error is fetch's own", async () => {
  const url = await nobody();
  const home = atHome(url);
  await assert.rejects(meter(fetch)(url + PATH, asked), { name: "TypeError", message: "fetch failed" });
  const [event] = await recorded(home);
  assert.deepEqual([event.outcome, event.error_class, event.billable], ["upstream_failed", "connect_failed", false]);
});

test("an address that nobody knows is passed on and not recorded", async () => {
  const url = await serve((_, response) => response.end("hello"));
  const home = atHome("http://127.0.0.1:9");
  const fetched = async () => new Response("hello");
  assert.equal(await (await meter(fetched)(url, asked)).text(), "hello");
  await assert.rejects(recorded(home), { code: "ENOENT" });
});

test("bytes can be read into a buffer of the program's own", async () => {
  const url = await serve((_, response) => response.end(chat()));
  const home = atHome(url);
  const response = await meter(fetch)(url + PATH, asked);
  const reader = response.body.getReader({ mode: "byob" });
  let text = "";
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(64));
    if (done) break;
    text += Buffer.from(value).toString();
  }
  assert.equal(text, chat());
  assert.equal((await recorded(home)).length, 1);
});

test("a metered fetch inside another one records once", async () => {
  const url = await serve((_, response) => response.end(chat()));
  const home = atHome(url);
  const inner = meter(fetch);
  await (await meter((...words) => inner(...words))(url + PATH, asked)).text();
  assert.equal((await recorded(home)).length, 1);
});

test("a Request is sent as it is, and its model is known", async () => {
  const bodies = [];
  const url = await serve((_, response, body) => {
    bodies.push(body);
    response.end(chat());
  });
  const home = atHome(url);
  const request = new Request(url + PATH, { ...asked, headers: { "content-type": "application/json" } });
  await (await meter(fetch)(request)).text();
  await assert.rejects(meter(fetch)(request), TypeError); // used already, as fetch says
  assert.deepEqual(bodies, [asked.body]);
  assert.equal((await recorded(home))[0].excerpt.request, '{"model":"gpt-4o"}');
});

test("an amount in a response keeps every digit", async () => {
  const body = '{"id":"g","model":"m","usage":{"prompt_tokens":1,"cost":0.12345678901234567890}}';
  const url = await serve((_, response) => response.end(body));
  const home = atHome(url);
  await (await meter(fetch)(url + PATH, asked)).text();
  assert.match((await recorded(home))[0].excerpt.response, /"cost":0\.12345678901234567890\}/);
});

test("what looks like a key is written down nowhere", async () => {
  const key = "sk-test-0123456789abcdef0123";
  const url = await serve((_, response) => response.end(`{"id":"${key}","model":"gpt-4o"}`));
  const home = atHome(url);
  const path = `/proxy/${key}/0123456789abcdef01234567/v1/chat/completions?key=${key}`;
  const call = () => meter(fetch)(url + path, { ...asked, body: `{"model":"${key}"}`, headers: { authorization: `Bearer ${key}` } });
  await (await attribute({ user: key }, call)).text();
  const [event] = await recorded(home);
  assert.doesNotMatch(JSON.stringify(event), /0123456789abcdef/);
  assert.equal(event.path, "/proxy/[key]/[key]/v1/chat/completions");
});

test("FAREBOX_DISABLED turns everything off", async () => {
  const url = await serve((_, response) => response.end(chat()));
  const home = atHome(url);
  process.env.FAREBOX_DISABLED = "1";
  try {
    await (await meter(fetch)(url + PATH, asked)).text();
    await flush();
  } finally {
    delete process.env.FAREBOX_DISABLED;
  }
  await assert.rejects(recorded(home), { code: "ENOENT" });
});

function deferred() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}
