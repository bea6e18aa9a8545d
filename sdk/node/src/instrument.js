// Metering turned on: for everything this process sends, or for one client.

import { meter, METERED } from "./fetch.js";
import { FareboxError, report } from "./faults.js";
import { patchHttp, restoreHttp } from "./http.js";
import { patchHttp2, restoreHttp2 } from "./http2.js";
import { isDisabled } from "./settings.js";

const DEPTH_MAX = 4;
const SEEN_MAX = 500;
const FETCHES = ["fetch", "fetcher", "fetchFn"];
let before;

/** Meter every call that this process makes to a known provider. Twice is once. */
export function instrument() {
  try {
    if (isDisabled()) return;
    patchHttp();
    patchHttp2();
    if (!globalThis.fetch[METERED]) {
      before = globalThis.fetch;
      globalThis.fetch = meter(before);
    }
  } catch (error) {
    report(error, "instrument()");
  }
}

/** Undo `instrument()`; what is under way is metered to its end. */
export function uninstrument() {
  restoreHttp();
  restoreHttp2();
  if (before !== undefined && globalThis.fetch[METERED]) globalThis.fetch = before;
  before = undefined;
}

/** Meter the calls of one client and return it: the same object, with the same results and errors. */
export function wrap(client, options = {}) {
  try {
    if (!isDisabled() && !wrapParts(client, options)) {
      throw new FareboxError(
        `no fetch that can be metered was found in ${client?.constructor?.name ?? typeof client}: ` +
          "give it one (`fetch: meter(fetch)`), or call instrument()",
      );
    }
  } catch (error) {
    report(error, "wrap()");
  }
  return client;
}

function wrapParts(client, options) {
  const waiting = [[client, 0]];
  const seen = new Set();
  let found = false;
  while (waiting.length > 0 && seen.size < SEEN_MAX) {
    const [part, depth] = waiting.shift();
    if (part === null || typeof part !== "object" || seen.has(part)) continue;
    seen.add(part);
    for (const name of FETCHES) {
      const fetch = Object.getOwnPropertyDescriptor(part, name)?.value;
      if (typeof fetch === "function") {
        if (!fetch[METERED]) part[name] = meter(fetch, options);
        found = true;
      }
    }
    if (depth < DEPTH_MAX) {
      for (const descriptor of Object.values(Object.getOwnPropertyDescriptors(part))) waiting.push([descriptor.value, depth + 1]);
    }
  }
  return found;
}
