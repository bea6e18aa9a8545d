// fetch, metered: the same promise, the same response, every byte handed on as it comes and none held back.

import { stated } from "./attribution.js";
import { begin, Exchange } from "./exchange.js";
import { FareboxError, report } from "./faults.js";

export const METERED = Symbol.for("farebox.metered");
const EMPTY = new Set([101, 204, 205, 304]);

/** Return a fetch whose calls are metered; `options` say whose they are, and who the provider is. */
export function meter(fetch = globalThis.fetch, options = {}) {
  if (typeof fetch !== "function") throw new FareboxError("meter() takes a fetch");
  const given = { names: stated(options), provider: options.provider };
  function metered(input, init) {
    const begun = beginFetch(input, init, given);
    if (begun === undefined) return fetch.call(this, input, init);
    if (!(begun instanceof Exchange)) return fetch.call(this, input, withHeaders(input, init, begun.headers));
    let sent;
    try {
      sent = begun.run(() => fetch.call(this, input, init));
    } catch (error) {
      begun.failed(error);
      throw error;
    }
    return Promise.resolve(sent).then(
      (response) => observed(response, begun),
      (error) => {
        begun.failed(error);
        throw error;
      },
    );
  }
  Object.defineProperty(metered, "name", { value: fetch.name });
  metered[METERED] = true;
  return metered;
}

function beginFetch(input, init, given) {
  try {
    const isRequest = typeof input === "object" && input !== null && "url" in input && !(input instanceof URL);
    const url = new URL(isRequest ? input.url : String(input));
    const method = String(init?.method ?? (isRequest ? input.method : "GET")).toUpperCase();
    const headers = new Headers(init?.headers ?? (isRequest ? input.headers : undefined));
    const begun = begin(method, url, (name) => headers.get(name) ?? undefined, given);
    if (begun instanceof Exchange) observeRequest(begun, init?.body, isRequest ? input : undefined);
    return begun;
  } catch (error) {
    if (!(error instanceof TypeError)) report(error, "metering"); // an address that fetch itself will refuse
    return undefined;
  }
}

/** Return a copy of a request's own body, where it can be read once more. */
function copied(request) {
  if (!request?.body || request.bodyUsed || request.body.locked) return undefined;
  return request.headers.get("content-type")?.includes("json") ? request.clone() : undefined;
}

function observeRequest(exchange, body, request) {
  if (typeof body === "string") exchange.requestBody(body);
  else if (body instanceof ArrayBuffer) exchange.requestBody(new Uint8Array(body));
  else if (ArrayBuffer.isView(body)) exchange.requestBody(new Uint8Array(body.buffer, body.byteOffset, body.byteLength));
  else if (body instanceof FormData) exchange.requestForm(body);
  else if (body === undefined) copied(request)?.text().then((text) => exchange.requestBody(text), () => undefined);
}

function withHeaders(input, init, more) {
  const headers = new Headers(init?.headers ?? (typeof input === "object" && "headers" in input ? input.headers : undefined));
  for (const [name, value] of Object.entries(more)) {
    if (!headers.has(name)) headers.set(name, value);
  }
  return { ...init, headers };
}

function observed(response, exchange) {
  try {
    exchange.response(response.status, (name) => response.headers?.get?.(name) ?? undefined);
    const body = response.body;
    if (!body || EMPTY.has(response.status)) {
      exchange.completed();
      return response;
    }
    if (typeof body.getReader === "function") return withBody(response, watched(body, exchange));
    if (typeof body.push === "function") watchPush(body, exchange); // node-fetch: a stream of Node's
    else exchange.completed();
    return response;
  } catch (error) {
    report(error, "metering");
    return response;
  }
}

const forgotten = new FinalizationRegistry((exchange) => exchange.left());

/** Return a stream that reads another one only when it is read itself, and shows every piece to an exchange. */
function watched(body, exchange) {
  const isBytes = readsBytes(body);
  let reader; // taken when somebody reads: until then the other stream is as it was
  const source = {
    async pull(controller) {
      let next;
      try {
        reader ??= body.getReader();
        next = await reader.read();
      } catch (error) {
        exchange.failed(error);
        throw error;
      }
      if (next.done) {
        exchange.completed();
        controller.close();
        controller.byobRequest?.respond(0);
        return;
      }
      if (next.value instanceof Uint8Array) exchange.chunk(next.value);
      controller.enqueue(next.value);
    },
    cancel(reason) {
      exchange.left();
      return reader === undefined ? body.cancel(reason) : reader.cancel(reason);
    },
  };
  if (isBytes) source.type = "bytes";
  const stream = isBytes ? new ReadableStream(source) : new ReadableStream(source, { highWaterMark: 0 });
  forgotten.register(stream, exchange);
  return stream;
}

function readsBytes(body) {
  try {
    body.getReader({ mode: "byob" }).releaseLock();
    return true;
  } catch {
    return false;
  }
}

/** Return a response with another body and everything else its own. */
function withBody(response, body) {
  const { status, statusText, headers } = response;
  return dressed(new response.constructor(body, { status, statusText, headers }), response);
}

function dressed(made, original) {
  const clone = made.clone;
  Object.defineProperties(made, {
    url: { value: original.url },
    redirected: { value: original.redirected },
    type: { value: original.type },
    headers: { value: original.headers },
    clone: { value: () => dressed(clone.call(made), original) },
  });
  return made;
}

/** Watch what a stream of Node's is given, whoever reads it. */
export function watchPush(stream, exchange, see = (piece) => exchange.chunk(piece)) {
  const push = stream.push;
  stream.push = function (piece, encoding) {
    try {
      if (piece !== null) see(typeof piece === "string" ? Buffer.from(piece, encoding) : piece);
      else if (stream.complete !== false) exchange.completed();
    } catch (error) {
      report(error, "metering");
    }
    return push.call(this, piece, encoding);
  };
  stream.once("close", () => (stream.errored?.code === "ECONNRESET" ? exchange.failed(stream.errored) : exchange.left()));
}
