// Send the calls that stand on standard input, a JSON line each, and tell what came back. For the suites that
// send one list of recordings with every SDK.

import { createHash } from "node:crypto";
import http from "node:http";
import { createInterface } from "node:readline";
import { attribute, configure, flush, instrument, meter } from "../src/index.js";

const LANES = 16;
const plainFetch = meter(globalThis.fetch);
configure({ providers: JSON.parse(process.argv[2]) });
instrument(); // for node:http

async function withFetch({ url, method, headers, body }) {
  const response = await plainFetch(url, { method, headers, body: body.length > 0 ? body : undefined, redirect: "manual" });
  const hash = createHash("sha256");
  for await (const piece of response.body ?? []) hash.update(piece);
  return { status: response.status, digest: hash.digest("hex") };
}

function withHttp({ url, method, headers, body }) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers }, (response) => {
      const hash = createHash("sha256");
      response.on("data", (piece) => hash.update(piece)).on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode, digest: hash.digest("hex") }));
    });
    request.on("error", reject).end(body);
  });
}

async function lane(calls) {
  for (let call = calls.shift(); call !== undefined; call = calls.shift()) {
    const asked = { ...call, body: Buffer.from(call.body, "base64") };
    const send = call.number % 2 === 0 ? withFetch : withHttp;
    const told = await attribute({ task: call.number }, () => send(asked));
    process.stdout.write(`${JSON.stringify({ number: call.number, ...told })}\n`);
  }
}

const calls = [];
for await (const line of createInterface({ input: process.stdin })) calls.push(JSON.parse(line));
await Promise.all(Array.from({ length: LANES }, () => lane(calls)));
await flush();
