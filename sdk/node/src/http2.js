// node:http2, metered: AWS's clients speak it. Sessions that are made from now on are watched, whoever made them
// with which import of `connect`.

import http2 from "node:http2";
import { syncBuiltinESMExports } from "node:module";
import { begin, Exchange } from "./exchange.js";
import { report } from "./faults.js";
import { watchResponse } from "./http.js";

let connectAsItWas;

export function patchHttp2() {
  if (connectAsItWas !== undefined) return;
  connectAsItWas = http2.connect;
  const connect = connectAsItWas;
  http2.connect = function (authority, ...rest) {
    const session = connect.call(this, authority, ...rest);
    try {
      watch(session, new URL(String(authority?.href ?? authority)));
    } catch (error) {
      if (!(error instanceof TypeError)) report(error, "metering");
    }
    return session;
  };
  syncBuiltinESMExports();
}

export function restoreHttp2() {
  if (connectAsItWas === undefined) return;
  http2.connect = connectAsItWas;
  connectAsItWas = undefined;
  syncBuiltinESMExports();
}

function watch(session, origin) {
  const request = session.request;
  session.request = function (headers, ...rest) {
    let exchange;
    if (connectAsItWas !== undefined) exchange = beginRequest(origin, headers ?? {});
    if (exchange === undefined) return request.call(this, headers, ...rest);
    let stream;
    try {
      stream = exchange.run(() => request.call(this, headers, ...rest));
    } catch (error) {
      exchange.refused();
      throw error;
    }
    watchStream(stream, exchange);
    return stream;
  };
}

function beginRequest(origin, headers) {
  try {
    const url = new URL(`${origin.protocol}//${headers[":authority"] ?? origin.host}${headers[":path"] ?? "/"}`);
    const made = begin(String(headers[":method"] ?? "GET"), url, (name) => headers[name]);
    return made instanceof Exchange ? made : undefined;
  } catch (error) {
    if (!(error instanceof TypeError)) report(error, "metering");
    return undefined;
  }
}

function watchStream(stream, exchange) {
  const { write, end, emit } = stream;
  const see = (chunk, encoding) => {
    if (chunk === undefined || chunk === null || typeof chunk === "function") return;
    exchange.requestBody(typeof chunk === "string" ? Buffer.from(chunk, typeof encoding === "string" ? encoding : "utf8") : chunk);
  };
  let inEnd = false; // end() may write by itself
  stream.write = function (chunk, encoding, callback) {
    if (!inEnd) see(chunk, encoding);
    return write.call(this, chunk, encoding, callback);
  };
  stream.end = function (chunk, encoding, callback) {
    see(chunk, encoding);
    inEnd = true;
    return end.call(this, chunk, encoding, callback);
  };
  stream.emit = function (event, ...args) {
    if (event === "response") watchResponse(stream, exchange, args[0][":status"], (name) => args[0][name]);
    else if (event === "error") exchange.failed(args[0]);
    else if (event === "close" && exchange.status === 0) exchange.left();
    return emit.call(this, event, ...args);
  };
}
