// A server of a test's own, a home of its own, and what was recorded there.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { configure, flush } from "../src/index.js";

export const USAGE = { prompt_tokens: 100, completion_tokens: 20 };

/** Serve `respond(request, response, body)` on a free loopback port until the tests end. */
export async function serve(respond) {
  const server = http.createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    respond(request, response, Buffer.concat(pieces).toString());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** Return an address where nobody listens. */
export async function nobody() {
  const server = http.createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

/** Make a home of this test's own, and count its server as a provider. */
export function atHome(url, more = {}) {
  const home = mkdtempSync(join(tmpdir(), "farebox-node-"));
  after(() => rmSync(home, { recursive: true, force: true }));
  configure({ home, collector: "", providers: { [url]: "openai" }, ...more });
  return home;
}

/** Return the events of a home's spool, in order. */
export async function recorded(home, folder = "spool") {
  await flush();
  const place = join(home, folder);
  return readdirSync(place)
    .sort()
    .flatMap((name) => readFileSync(join(place, name), "utf8").split("\n").filter(Boolean).map(JSON.parse));
}

export function chat(id = "chatcmpl-1") {
  return JSON.stringify({ id, model: "gpt-4o-2024-08-06", choices: [{ message: { content: "a secret" } }], usage: USAGE });
}

export function stream(id = "chatcmpl-1") {
  const event = (fields) => `data: ${JSON.stringify({ id, model: "gpt-4o", ...fields })}\n\n`;
  return [
    event({ choices: [{ delta: { content: "a " } }] }),
    event({ choices: [{ delta: { content: "secret" }, finish_reason: "stop" }] }),
    event({ choices: [], usage: USAGE }),
    "data: [DONE]\n\n",
  ];
}
