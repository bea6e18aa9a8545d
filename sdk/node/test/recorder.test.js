import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { configure, FareboxError, flush, outcome } from "../src/index.js";
import { atHome, recorded } from "./serving.js";
import http from "node:http";

const INDEX = fileURLToPath(new URL("../src/index.js", import.meta.url));

async function collector(respond) {
  const batches = [];
  const server = http.createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const lines = gunzipSync(Buffer.concat(pieces)).toString().split("\n").map(JSON.parse);
    batches.push({ lines, token: request.headers.authorization });
    const status = respond(batches.length, lines);
    response.statusCode = status;
    response.end(status < 300 ? JSON.stringify({ items: lines.map(({ id }) => ({ id, status: "accepted" })) }) : "{}");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  return { url: `http://127.0.0.1:${server.address().port}`, batches };
}

test("events go to the collector, and again until it has taken them", async () => {
  const { url, batches } = await collector((number) => (number === 1 ? 503 : 202));
  const home = atHome("http://127.0.0.1:9", { collector: url, token: "fbx_ingest_1", onError: () => {} });
  outcome("one");
  assert.equal(await flush(), false);
  outcome("two");
  assert.equal(await flush(), true);
  assert.deepEqual(batches.map(({ lines }) => lines.map(({ name }) => name)), [["one"], ["one"], ["two"]]);
  assert.equal(batches[0].token, "Bearer fbx_ingest_1");
  assert.equal(batches[0].lines[0].id, batches[1].lines[0].id);
  const [folder] = readdirSync(join(home, "collectors"));
  assert.deepEqual(readdirSync(join(home, "collectors", folder)), []);
});

test("one event that a collector cannot take keeps no other one", async () => {
  const { url, batches } = await collector((_, lines) => (lines.some(({ name }) => name === "bad") ? 413 : 202));
  atHome("http://127.0.0.1:9", { collector: url, onError: () => {} });
  for (const name of ["a", "bad", "b"]) outcome(name);
  assert.equal(await flush(), true);
  assert.deepEqual(batches.flatMap(({ lines }) => (lines.length === 1 ? [lines[0].name] : [])).sort(), ["a", "b", "bad"]);
});

test("a token never travels in the clear", () => {
  assert.throws(() => configure({ collector: "http://farebox.example.com" }), FareboxError);
});

test("a program that is killed loses no event, and one that ends leaves a finished file", () => {
  const home = mkdtempSync(join(tmpdir(), "farebox-node-"));
  const run = (last) =>
    spawnSync(process.execPath, ["--input-type=module", "-e", `import { outcome } from ${JSON.stringify(INDEX)}; outcome("x"); ${last}`], {
      env: { ...process.env, FAREBOX_HOME: home, FAREBOX_COLLECTOR: "" },
    });
  run('process.kill(process.pid, "SIGKILL")');
  const [part] = readdirSync(join(home, "spool"));
  assert.match(part, /-\d+\.part$/);
  assert.equal(JSON.parse(readFileSync(join(home, "spool", part), "utf8")).name, "x");
  run("");
  assert.equal(readdirSync(join(home, "spool")).filter((name) => name.endsWith(".ndjson")).length, 1);
  assert.equal(statSync(join(home, "spool")).mode & 0o777, 0o700);
});

test("a home that others can read is not written to, and what was recorded waits", async () => {
  const errors = [];
  const home = atHome("http://127.0.0.1:9", { onError: (error) => errors.push(error.message) });
  chmodSync(home, 0o755);
  outcome("kept");
  assert.equal(await flush(), false);
  assert.match(errors[0], /chmod 700/);
  chmodSync(home, 0o700);
  await flush();
  assert.deepEqual((await recorded(home)).map(({ name }) => name), ["kept"]);
});

test("a full spool loses events, and says how many once there is room", async () => {
  const home = atHome("http://127.0.0.1:9", { spoolBytes: 2000, onError: () => {} });
  for (let number = 0; number < 12_000; number += 1) outcome("x".repeat(128)); // 4 MiB wait in memory
  configure({ spoolBytes: 64 * 1024 * 1024 });
  outcome("last");
  const events = await recorded(home);
  const lost = events.filter(({ type }) => type === "loss").reduce((sum, { records }) => sum + records, 0);
  assert.ok(lost > 0);
  assert.equal(events.filter(({ type }) => type === "outcome").length + lost, 12_001);
});

test("the package installs nothing else and packs to 30 kB at most", () => {
  const folder = fileURLToPath(new URL("..", import.meta.url));
  const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  assert.equal(about.dependencies, undefined);
  const [packed] = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json"], { cwd: folder, stdio: ["ignore", "pipe", "ignore"] }));
  assert.ok(packed.size <= 30_000, `${packed.size} bytes`);
  assert.ok(packed.files.every(({ path }) => /^(src\/.*\.js|index\.d\.ts|package\.json|README\.md|LICENSE)$/.test(path)));
});
