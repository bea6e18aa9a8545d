// One metered request of this process, from before its first byte to the end of its response. A transport tells
// it what passes; it stores one event. None of its methods throws.

import { AsyncLocalStorage } from "node:async_hooks";
import { current, fieldsOf } from "./attribution.js";
import { BodyExcerpt } from "./excerpt/body.js";
import { RequestExcerpt } from "./excerpt/request.js";
import { HEADERS } from "./excerpt/trees.js";
import { report } from "./faults.js";
import { portOf, providerAt } from "./hosts.js";
import { source, uuid7 } from "./identity.js";
import { isFarebox } from "./listeners.js";
import { pathWithoutKeys, withoutKeys } from "./keys.js";
import { append } from "./recorder.js";
import { isDisabled } from "./settings.js";

const METHODS = new Set(["POST", "PUT", "PATCH"]);
const METERED_MAX = 4096;
const open = new Set();
const inside = new AsyncLocalStorage();

/** Ids of responses that transports have metered lately, so that nobody records them a second time. */
export const meteredResponses = new Set();

/** A request to a Farebox, which meters it by itself; `headers` tell it whose it is. */
class Passage {
  constructor(id, said) {
    this.headers = { "x-farebox-event-id": id };
    for (const [name, value] of Object.entries(said)) {
      this.headers[`x-farebox-${name.replaceAll(".", "-")}`] = value.replace(/[^\x20-\x7e]/g, "?");
    }
  }
}

export class Exchange {
  constructor(provider, base, method, url, fields, attempt) {
    this.id = uuid7();
    this.provider = provider;
    this.path = url.pathname.slice(base.length) || "/";
    this.method = method;
    this.url = url;
    this.fields = fields;
    this.attempt = attempt;
    this.startedAt = new Date();
    this.began = performance.now();
    this.firstByte = 0;
    this.request = new RequestExcerpt();
    this.body = undefined;
    this.status = 0;
    this.headers = {};
    this.size = 0;
    this.reached = true; // the provider may have received it
    this.delegated = false; // a layer below meters it
    this.ended = false;
    open.add(this);
  }

  /** Run the layer below: where it is metered as well, it is the one that records. */
  run(send) {
    return inside.run(this, send);
  }

  requestBody(piece) {
    this.#guarded(() => this.request.feed(piece));
  }

  requestForm(form) {
    this.#guarded(() => this.request.form(form));
  }

  /** Take in the head of the response; `header` returns one by its name in lower case. */
  response(status, header) {
    this.#guarded(() => {
      this.status = status;
      for (const name of HEADERS) {
        const value = header(name);
        if (value) this.headers[name] = withoutKeys(String(value).slice(0, 256));
      }
      this.body = new BodyExcerpt(this.headers["content-type"]);
    });
  }

  /** Take in a piece of the response's body, before the program has it. */
  chunk(bytes) {
    this.#guarded(() => {
      this.firstByte ||= performance.now();
      this.size += bytes.length;
      this.body?.feed(bytes);
    });
  }

  completed() {
    this.end("completed");
  }

  /** Note that the program reads no further. */
  left() {
    this.end(this.body?.reader?.saidAll?.() ? "completed" : "client_disconnected");
  }

  /** Note that there is no response, or no more of it. */
  failed(error) {
    this.#guarded(() => this.#failed(error));
    this.end("upstream_failed", "upstream_reset"); // unless the error could be looked at
  }

  /** Note that the layer below would not send it. */
  refused() {
    this.#notSent("connect_failed");
  }

  #failed(error) {
    const names = [error?.name, error?.code, error?.cause?.name, error?.cause?.code].map(String);
    const has = (...wanted) => names.some((name) => wanted.includes(name));
    if (has("AbortError")) this.end("client_disconnected", "client_disconnected");
    else if (has("TimeoutError", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT")) this.end("timed_out", "first_byte_timeout");
    else if (has("ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH")) this.#notSent("connect_failed");
    else if (has("ENOTFOUND", "EAI_AGAIN")) this.#notSent("dns_failed");
    else if (has("UND_ERR_CONNECT_TIMEOUT", "ETIMEDOUT")) this.#notSent("connect_timeout");
    else this.end("upstream_failed", "upstream_reset");
  }

  #notSent(errorClass) {
    this.reached = false;
    this.end("upstream_failed", errorClass);
  }

  end(outcome, errorClass) {
    if (this.ended) return;
    this.ended = true;
    open.delete(this);
    if (this.delegated) return;
    this.#guarded(() => append(this.#event(outcome, errorClass)));
  }

  #event(outcome, errorClass) {
    const now = performance.now();
    const { response, response_base64 } = this.body?.finish() ?? {};
    const excerpt = { request: withoutKeys(this.request.text(this.url.searchParams)), headers: this.headers };
    if (response) excerpt.response = withoutKeys(response);
    if (response_base64) excerpt.response_base64 = response_base64;
    const id = /"(?:id|responseId)":"([^"\\]+)"/.exec(excerpt.response ?? "")?.[1];
    if (id !== undefined) {
      if (meteredResponses.size >= METERED_MAX) meteredResponses.clear();
      meteredResponses.add(id);
    }
    return {
      id: this.id,
      source: source(),
      time: this.startedAt.toISOString(),
      ...this.fields,
      provider: this.provider,
      method: this.method,
      path: pathWithoutKeys(this.path),
      host: this.url.host,
      status: this.status,
      outcome,
      ...(errorClass === undefined ? {} : { error_class: errorClass }),
      ...(this.reached ? {} : { billable: false }),
      attempt: this.attempt,
      total_us: Math.round((now - this.began) * 1000),
      first_byte_us: this.firstByte ? Math.round((this.firstByte - this.began) * 1000) : 0,
      request_bytes: this.request.size,
      response_bytes: this.size,
      witness: "sdk",
      excerpt,
    };
  }

  #guarded(work) {
    try {
      work();
    } catch (error) {
      report(error, "metering");
    }
  }
}

/**
 * Begin what a request calls for, before anything of it is sent: an Exchange, a Passage, or undefined where it
 * is nobody's to meter. `header` returns one by its name in lower case.
 */
export function begin(method, url, header, given = {}) {
  try {
    if (isDisabled()) return undefined;
    if (isFarebox(url.hostname, portOf(url.protocol, url.port))) return new Passage(uuid7(), { ...given.names, ...current() });
    const [provider, base] = given.provider === undefined ? (providerAt(url) ?? []) : [given.provider, ""];
    if (provider === undefined || !METHODS.has(method)) return undefined;
    const outer = inside.getStore();
    if (outer !== undefined) outer.delegated = true;
    const retries = Number(header("x-stainless-retry-count") ?? 0);
    const attempt = Number.isInteger(retries) && retries >= 0 && retries < 1000 ? retries : 0;
    return new Exchange(provider, base, method, url, fieldsOf({}, given.names), attempt);
  } catch (error) {
    report(error, "metering");
    return undefined;
  }
}

// What is under way when the program ends is known as far as it came.
process.on("exit", () => {
  for (const exchange of open) exchange.end("unknown");
});
