// What is metered may end in any way: the program sees what it would have seen, and nothing of the metering.

import assert from "node:assert/strict";
import http from "node:http";
import http2 from "node:http2";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { attribute, configure, instrument, meter, uninstrument } from "../src/index.js";
import { atHome, chat, nobody, recorded, serve, stream } from "./serving.js";

const PATH = "/v1/chat/completions";
const asked = { method: "POST", body: "{}" };

/** Run something and return what became of promises that nobody holds. */
async function unhandled(work) {
  const found = [];
  const note = (error) => found.push(error);
  process.on("unhandledRejection", note);
  try {
    await work();
    await new Promise((resolve) => setTimeout(resolve, 20));
  } finally {
    process.off("unhandledRejection", note);
  }
  return found;
}

function post(url, headers = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url + PATH, { method: "POST", headers }, (response) => {
      const pieces = [];
      response.on("data", (piece) => pieces.push(piece));
      response.on("end", () => resolve(Buffer.concat(pieces)));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end("{}");
  });
}

for (const encoding of ["constructor", "__proto__", "toString", "gzip, br"]) {
  test(`a response packed as ${encoding} is handed on, and its call recorded`, async () => {
    const url = await serve((_, response) => response.writeHead(200, { "content-encoding": encoding }).end(chat()));
    const home = atHome(url);
    instrument();
    try {
      assert.equal((await post(url)).toString(), chat());
    } finally {
      uninstrument();
    }
    const [event, ...others] = await recorded(home);
    assert.equal(others.length, 0);
    assert.equal(event.outcome, "completed");
  });
}

test("a response whose packing is broken is handed on as it is", async () => {
  const packed = gzipSync(chat());
  packed[packed.length - 1] ^= 255;
  for (const body of [packed, packed.subarray(0, 30), Buffer.from("no gzip"), Buffer.alloc(0)]) {
    const url = await serve((_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(body));
    const home = atHome(url);
    instrument();
    try {
      assert.deepEqual(await unhandled(async () => assert.deepEqual(await post(url), body)), []);
    } finally {
      uninstrument();
    }
    assert.equal((await recorded(home)).length, 1);
  }
});

test("a request that an HTTP/2 session refuses throws as it would, and is no call", async () => {
  const server = http2.createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  const home = atHome(url);
  instrument();
  const session = http2.connect(url);
  try {
    session.destroy();
    assert.throws(() => session.request({ ":method": "POST", ":path": PATH }), { code: "ERR_HTTP2_INVALID_SESSION" });
  } finally {
    uninstrument();
    server.close();
  }
  const [event] = await recorded(home);
  assert.equal(event.billable, false, "nothing was sent");
});

test("an onError that rejects ends no program", async () => {
  const url = await serve((_, response) => response.end(chat()));
  const home = atHome(url, { onError: async () => Promise.reject(new Error("of the hook")) });
  try {
    const found = await unhandled(async () => {
      configure({ home: "/dev/null/nothing" });
      await (await meter(fetch)(url + PATH, asked)).text();
    });
    assert.deepEqual(found, []);
  } finally {
    configure({ home, onError: undefined });
  }
});

test("an error that cannot be looked at reaches the program as it is", async () => {
  const url = await nobody();
  atHome(url);
  const wrong = Object.defineProperty(new Error("x"), "code", {
    get() {
      throw new TypeError("of the error");
    },
  });
  const own = meter(() => Promise.reject(wrong));
  await assert.rejects(own(url + PATH, asked), (error) => error === wrong);
});

test("a stream that is aborted in the middle leaves no promise behind, however it is read", async () => {
  const url = await serve((_, response) => {
    response.setHeader("content-type", "text/event-stream");
    response.write(stream()[0]);
  });
  const home = atHome(url);
  const reads = [
    async (response) => {
      for await (const piece of response.body) assert.ok(piece);
    },
    (response) => response.text(),
    (response) => response.body.getReader({ mode: "byob" }).read(new Uint8Array(100_000)).then(() => response.body.cancel().catch(() => undefined)),
    (response) => Promise.all(response.body.tee().map((half) => new Response(half).text())),
    async (response) => Promise.all([response.clone().text(), response.text()]),
    async () => undefined,
  ];
  for (const read of reads) {
    const found = await unhandled(async () => {
      const abort = new AbortController();
      const response = await meter(fetch)(url + PATH, { ...asked, signal: abort.signal });
      setTimeout(() => abort.abort(), 20);
      await read(response).catch((error) => assert.equal(error.name, "AbortError"));
      await new Promise((resolve) => setTimeout(resolve, 30));
    });
    assert.deepEqual(found, []);
  }
  for (const event of await recorded(home)) assert.equal(event.outcome, "client_disconnected");
});

test("a connection that breaks in the middle of a stream fails as it would", async () => {
  const url = await serve((_, response) => {
    response.setHeader("content-type", "text/event-stream");
    response.write(stream()[0]);
    setTimeout(() => response.destroy(), 20);
  });
  const home = atHome(url);
  const [plain, metered] = await Promise.all(
    [fetch, meter(fetch)].map(async (send) => {
      const response = await send(url + PATH, asked);
      return response.text().catch((error) => [error.name, error.message, error.cause?.code]);
    }),
  );
  assert.deepEqual(metered, plain);
  const [event] = await recorded(home);
  assert.equal(event.outcome, "upstream_failed");
});

test("attribute() runs what it is given, whatever the names are", () => {
  atHome("http://127.0.0.1:9");
  for (const names of [null, undefined, { customer: Object.create(null) }, { tags: { a: Object.create(null) } }, "acme", { customer: Symbol("x") }]) {
    assert.equal(attribute(names, () => 5), 5);
  }
});

test("a collector's address holds no password", () => {
  for (const collector of ["https://:secret@farebox.example.com", "https://ann:secret@farebox.example.com", "https://farebox.example.com/#secret"]) {
    assert.throws(() => configure({ collector }), (error) => /without a user name/.test(error.message) && !/secret/.test(error.message));
  }
});
