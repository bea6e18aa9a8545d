// Where events go: to the home's `spool/`, which the next Farebox command reads, or through a spool of the same
// kind to a collector.

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { FareboxError, report } from "./faults.js";
import { digest } from "./identity.js";
import { collector, collectorToken, home, isDisabled, settings, whenChanged } from "./settings.js";
import { Spool } from "./spool.js";

const BACKOFF_MS = 1_000;
const BACKOFF_MAX_MS = 60_000;
const RESPONSE_MS = 30_000;
const EXIT_MS = 2_000;
const fetchAsItWas = globalThis.fetch;

class Recorder {
  constructor() {
    this.collector = collector();
    this.token = collectorToken();
    const folder = this.collector === undefined ? ["spool"] : ["collectors", `node-${digest(`${this.collector}\0${this.token}`).slice(0, 16)}`];
    this.spool = new Spool(home(), folder, settings.spoolBytes);
    this.timer = undefined;
    this.sending = undefined;
    this.failures = 0;
    this.notBefore = 0;
  }

  append(event) {
    this.spool.append(event);
    this.#later(settings.flushInterval * 1000);
  }

  /** Finish what is stored and, where there is a collector, send it; return whether nothing is left. */
  async flush(timeoutMs) {
    this.spool.rotate();
    if (this.collector === undefined) return this.spool.waiting.length === 0;
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, timeoutMs, false);
    });
    const sent = await Promise.race([this.#send(true), late]);
    clearTimeout(timer);
    return sent && this.spool.waiting.length === 0;
  }

  #later(afterMs) {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.spool.rotate();
      if (this.collector !== undefined) {
        this.#send(false).then((all) => all || this.#later(Math.max(settings.flushInterval * 1000, this.notBefore - Date.now())));
      } else if (this.spool.waiting.length > 0) this.#later(BACKOFF_MS);
    }, afterMs).unref();
  }

  /** Send the finished files one after the other; return whether all were. Never rejects. */
  #send(now) {
    this.sending ??= this.#sendAll(now).finally(() => {
      this.sending = undefined;
    });
    return this.sending;
  }

  async #sendAll(now) {
    if (!now && Date.now() < this.notBefore) return false;
    try {
      for (const path of this.spool.finished()) await this.#sendFile(path);
      this.failures = 0;
      return true;
    } catch (error) {
      report(error, "sending to the collector");
      this.failures += 1;
      const longest = Math.min(BACKOFF_MS * 2 ** Math.min(this.failures - 1, 16), BACKOFF_MAX_MS);
      this.notBefore = Date.now() + Math.max(longest * (0.5 + Math.random() / 2), error.afterMs ?? 0);
      return false;
    }
  }

  async #sendFile(path) {
    let lines;
    try {
      lines = readFileSync(path);
    } catch (error) {
      if (error.code === "ENOENT") return; // another process has sent it
      throw error;
    }
    await this.#sendLines(lines.toString("utf8").split("\n").filter(Boolean));
    this.spool.remove(path);
  }

  async #sendLines(lines) {
    if (lines.length === 0) return;
    const response = await fetchAsItWas(`${this.collector}/v1/events`, {
      method: "POST",
      redirect: "manual",
      signal: AbortSignal.timeout(RESPONSE_MS),
      headers: {
        "content-type": "application/x-ndjson",
        "content-encoding": "gzip",
        "user-agent": "farebox-node/0.1.0",
        ...(this.token ? { authorization: `Bearer ${this.token}` } : {}),
      },
      body: gzipSync(lines.join("\n"), { level: 1 }),
    });
    const body = await response.text();
    if (response.ok) {
      const { items } = JSON.parse(body);
      if (!Array.isArray(items) || items.length !== lines.length) throw new FareboxError("this is no Farebox collector");
      for (const item of items.filter(({ status }) => status === "invalid" || status === "conflict")) {
        report(new FareboxError(`${item.status}: ${item.field ?? ""} ${item.reason ?? ""}`), "the collector refused an event");
      }
    } else if ([400, 413, 415, 422].includes(response.status)) {
      if (lines.length === 1) {
        report(new FareboxError(`status ${response.status}: ${body.slice(0, 200)}`), "the collector refused an event");
        return;
      }
      const half = lines.length >> 1;
      await this.#sendLines(lines.slice(0, half));
      await this.#sendLines(lines.slice(half));
    } else {
      const hint = response.status === 401 || response.status === 403 ? "; make a token there with: farebox tokens create node --scope ingest" : "";
      const after = Number(response.headers.get("retry-after") ?? 0);
      throw Object.assign(new FareboxError(`${this.collector} responds with status ${response.status}${hint}`), {
        code: `status_${response.status}`,
        afterMs: Number.isFinite(after) ? Math.min(after, 3600) * 1000 : 0,
      });
    }
  }
}

let recorder;
let isWatching = false;

/** Store an event; never throws. */
export function append(event) {
  try {
    if (isDisabled()) return;
    recorder ??= new Recorder();
    if (!isWatching) watchEnd();
    recorder.append(event);
  } catch (error) {
    report(error, "recording");
  }
}

/** Return once what was recorded is where it belongs; false where it is not in time. */
export async function flush({ timeout = 10 } = {}) {
  for (const wait of pending) await wait;
  return recorder === undefined ? true : recorder.flush(timeout * 1000);
}

/** Responses whose bytes are still being unpacked. */
export const pending = new Set();

function watchEnd() {
  isWatching = true;
  let triedAtEnd = false;
  process.on("beforeExit", () => {
    if (recorder?.collector === undefined || triedAtEnd) return;
    triedAtEnd = true;
    recorder.flush(EXIT_MS);
  });
  process.on("exit", () => recorder?.spool.rotate());
}

whenChanged(() => {
  const before = recorder;
  recorder = undefined;
  if (before === undefined) return;
  before.spool.rotate();
  if (before.spool.waiting.length === 0 && before.spool.lost === undefined) return;
  recorder = new Recorder(); // what the disk refused goes where the next events go
  recorder.spool.takeOver(before.spool);
});
