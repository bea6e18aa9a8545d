// node:http and node:https, metered at the one class that both send with, whoever holds which function of theirs.

import http from "node:http";
import zlib from "node:zlib";
import { begin, Exchange } from "./exchange.js";
import { report } from "./faults.js";
import { watchPush } from "./fetch.js";
import { pending } from "./recorder.js";

const UNPACK = new Map([
  ["gzip", zlib.createGunzip],
  ["x-gzip", zlib.createGunzip],
  ["deflate", zlib.createInflate],
  ["br", zlib.createBrotliDecompress],
]);
const prototype = http.ClientRequest.prototype;
const begun = new WeakMap();
let restore;

/** Meter every request of Node's own client. */
export function patchHttp() {
  if (restore !== undefined) return;
  const own = Object.fromEntries(["write", "end", "emit"].map((name) => [name, Object.getOwnPropertyDescriptor(prototype, name)]));
  const { write, end, emit } = prototype;
  const patched = {
    write(chunk, encoding, callback) {
      see(this, chunk, encoding);
      return write.call(this, chunk, encoding, callback);
    },
    end(chunk, encoding, callback) {
      see(this, chunk, encoding);
      return end.call(this, chunk, encoding, callback);
    },
    emit(event, ...args) {
      if (event === "response") responded(this, args[0]);
      else if (event === "error") begun.get(this)?.failed(args[0]);
      else if (event === "close") closed(this);
      return emit.call(this, event, ...args);
    },
  };
  for (const [name, value] of Object.entries(patched)) {
    Object.defineProperty(prototype, name, { value, configurable: true, writable: true });
  }
  restore = () => {
    for (const [name, descriptor] of Object.entries(own)) {
      if (descriptor === undefined) delete prototype[name];
      else Object.defineProperty(prototype, name, descriptor);
    }
  };
}

export function restoreHttp() {
  restore?.();
  restore = undefined;
}

function see(request, chunk, encoding) {
  try {
    if (!begun.has(request)) {
      begun.set(request, undefined);
      begun.set(request, beginRequest(request));
    }
    const exchange = begun.get(request);
    if (exchange === undefined || chunk === undefined || chunk === null || typeof chunk === "function") return;
    exchange.requestBody(typeof chunk === "string" ? Buffer.from(chunk, typeof encoding === "string" ? encoding : "utf8") : chunk);
  } catch (error) {
    report(error, "metering");
  }
}

function beginRequest(request) {
  const address = `${request.protocol}//${request.getHeader("host") ?? request.host}${request.path}`;
  if (!request.path.startsWith("/") || !URL.canParse(address)) return undefined;
  const url = new URL(address);
  const made = begin(request.method, url, (name) => request.getHeader(name));
  if (made instanceof Exchange) return made;
  if (made !== undefined && !request.headersSent && !request._header) {
    for (const [name, value] of Object.entries(made.headers)) {
      if (!request.hasHeader(name)) request.setHeader(name, value);
    }
  }
  return undefined;
}

function responded(request, response) {
  const exchange = begun.get(request);
  if (exchange !== undefined) watchResponse(response, exchange, response.statusCode, (name) => response.headers[name]);
}

/** Watch a response that is a stream of Node's; `header` returns one by its name in lower case. */
export function watchResponse(stream, exchange, status, header) {
  try {
    exchange.response(status, header);
    const unpack = UNPACK.get(String(header("content-encoding") ?? "").trim().toLowerCase());
    if (unpack === undefined) watchPush(stream, exchange);
    else watchPush(stream, ...unpacked(exchange, unpack()));
  } catch (error) {
    report(error, "metering");
  }
}

/** Return what stands between a packed response and its exchange: bytes are unpacked on the way. */
function unpacked(exchange, stream) {
  let end = () => exchange.completed();
  const done = new Promise((resolve) => {
    const finish = () => {
      end();
      resolve();
    };
    stream.on("data", (bytes) => exchange.chunk(bytes)).on("end", finish).on("error", finish);
  });
  pending.add(done);
  done.then(() => pending.delete(done));
  const later = (outcome) => (...args) => {
    if (stream.writableEnded) return;
    end = () => exchange[outcome](...args);
    stream.end();
  };
  const between = { completed: later("completed"), left: later("left"), failed: later("failed") };
  return [between, (piece) => stream.write(piece)];
}

function closed(request) {
  const exchange = begun.get(request);
  if (exchange !== undefined && exchange.status === 0) exchange.left(); // there was no response
}
