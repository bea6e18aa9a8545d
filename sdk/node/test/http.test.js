import assert from "node:assert/strict";
import http from "node:http";
import { connect, createServer } from "node:http2";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { instrument, meter, uninstrument, wrap } from "../src/index.js";
import { atHome, chat, nobody, recorded, serve, stream } from "./serving.js";

const PATH = "/v1/chat/completions";

function post(url, body = '{"model":"gpt-4o"}') {
  return new Promise((resolve, reject) => {
    const request = http.request(url + PATH, { method: "POST" }, (response) => {
      const pieces = [];
      response.on("data", (piece) => pieces.push(piece)).on("end", () => resolve(Buffer.concat(pieces))).on("error", reject);
    });
    request.on("error", reject).end(body);
  });
}

test("node:http is metered, whoever holds which of its functions", async () => {
  const url = await serve((_, response) => response.setHeader("content-type", "text/event-stream").end(stream().join("")));
  const home = atHome(url);
  instrument();
  instrument(); // twice is once
  try {
    assert.equal((await post(url)).toString(), stream().join(""));
  } finally {
    uninstrument();
  }
  await post(url);
  const [event, ...others] = await recorded(home);
  assert.equal(others.length, 0);
  assert.equal(event.excerpt.request, '{"model":"gpt-4o"}');
  assert.match(event.excerpt.response, /"usage":\{"prompt_tokens":100/);
});

test("a packed response is unpacked on the way to the record alone", async () => {
  const packed = gzipSync(chat());
  const url = await serve((_, response) => response.setHeader("content-encoding", "gzip").end(packed));
  const home = atHome(url);
  instrument();
  try {
    assert.deepEqual(await post(url), packed);
  } finally {
    uninstrument();
  }
  assert.match((await recorded(home))[0].excerpt.response, /"usage":/);
});

test("errors of node:http are its own, and a response that nobody listens for is still discarded", async () => {
  const url = await serve((_, response) => response.end(chat()));
  const absent = await nobody();
  const home = atHome(url, { providers: { [url]: "openai", [absent]: "openai" } });
  instrument();
  try {
    await assert.rejects(post(absent), { code: "ECONNREFUSED" });
    await new Promise((resolve) => http.request(url + PATH, { method: "POST" }).on("close", resolve).end("{}"));
  } finally {
    uninstrument();
  }
  const events = await recorded(home);
  assert.deepEqual(events.map((event) => event.error_class), ["connect_failed", undefined]);
});

test("instrument() meters the global fetch, and each call once", async () => {
  const url = await serve((_, response) => response.end(chat()));
  const home = atHome(url);
  const before = globalThis.fetch;
  instrument();
  try {
    await (await fetch(url + PATH, { method: "POST", body: "{}" })).text();
    await (await meter(fetch)(url + PATH, { method: "POST", body: "{}" })).text();
  } finally {
    uninstrument();
  }
  assert.equal(globalThis.fetch, before);
  assert.equal((await recorded(home)).length, 2);
});

test("wrap() meters a client's own fetch and returns the client", async () => {
  const url = await serve((_, response) => response.end(chat()));
  const home = atHome(url);
  class Client {
    fetch = fetch;
    create = () => this.fetch(url + PATH, { method: "POST", body: "{}" });
  }
  const client = new Client();
  assert.equal(wrap(client, { customer: "acme" }), client);
  wrap(client);
  await (await client.create()).text();
  const [event, ...others] = await recorded(home);
  assert.equal(others.length, 0);
  assert.equal(event.customer, "acme");
});

test("node:http2 is metered, whichever import of it a program holds", async () => {
  const server = createServer((request, response) => {
    request.resume().on("end", () => response.end(chat()));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  const home = atHome(url);
  instrument();
  const session = connect(url);
  try {
    const stream = session.request({ ":method": "POST", ":path": PATH });
    stream.write('{"model":');
    stream.end('"gpt-4o"}');
    const pieces = [];
    for await (const piece of stream) pieces.push(piece);
    assert.equal(Buffer.concat(pieces).toString(), chat());
  } finally {
    uninstrument();
    session.close();
    server.close();
  }
  const [event, ...others] = await recorded(home);
  assert.equal(others.length, 0);
  assert.equal(event.outcome, "completed");
  assert.equal(event.excerpt.request, '{"model":"gpt-4o"}');
  assert.match(event.excerpt.response, /"usage":/);
});
