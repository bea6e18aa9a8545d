// The excerpt of an AWS event stream: its messages with their headers, payloads cut down to what says usage.
// https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html

import { BodyExcerpt } from "./body.js";
import { Documents } from "./documents.js";
import { JsonExcerpt } from "./json.js";
import { RESPONSE } from "./trees.js";

/** The event whose payload is a piece of text, cut anywhere: what SageMaker's containers stream. */
const PIECE = "PayloadPart";
const MESSAGE_BYTES_MAX = 24 * 1024 * 1024;

export class EventStream {
  constructor() {
    this.held = Buffer.alloc(0);
    this.documents = new Documents();
    this.broken = false;
    this.text = undefined; // what the messages are pieces of, where they are
  }

  feed(bytes) {
    if (this.broken) return;
    this.held = this.held.length > 0 ? Buffer.concat([this.held, bytes]) : Buffer.from(bytes);
    let at = 0;
    while (this.held.length - at >= 12) {
      const size = this.held.readUInt32BE(at);
      if (size < 16 || size > MESSAGE_BYTES_MAX) {
        this.broken = true;
        this.held = Buffer.alloc(0);
        return;
      }
      if (this.held.length - at < size) break;
      this.#message(this.held.subarray(at, at + size));
      at += size;
    }
    this.held = Buffer.from(this.held.subarray(at));
  }

  #message(message) {
    const headersEnd = 12 + message.readUInt32BE(4);
    if (headersEnd > message.length - 4) {
      this.broken = true;
      return;
    }
    const headers = message.subarray(12, headersEnd);
    if (headers.includes(PIECE)) {
      this.text ??= { headers: Buffer.from(headers), body: new BodyExcerpt("text/event-stream") };
      this.text.body.feed(message.subarray(headersEnd, -4));
      return;
    }
    const text = excerpted(message.subarray(headersEnd, -4));
    this.documents.add(framed(headers, text), `${headers.toString("latin1")}${text}`);
  }

  finish() {
    const frames = this.documents.texts();
    if (this.text !== undefined) frames.push(framed(this.text.headers, this.text.body.finish().response ?? ""));
    if (this.held.length > 0) frames.push(this.held.subarray(0, 8).toString("latin1")); // it broke off
    return { response_base64: Buffer.from(frames.join(""), "latin1").toString("base64") };
  }
}

/** A payload's excerpt; one that holds another in base64 (`{"bytes": …}`) keeps that one's. */
function excerpted(payload) {
  const envelope = /^\s*\{[^{}]*?"bytes"\s*:\s*"([A-Za-z0-9+/=\\]*)"/.exec(payload.toString("latin1"));
  if (envelope !== null) {
    const inner = cut(Buffer.from(envelope[1].replaceAll("\\/", "/"), "base64"));
    return `{"bytes":"${Buffer.from(inner).toString("base64")}"}`;
  }
  return cut(payload);
}

function cut(payload) {
  const json = new JsonExcerpt(RESPONSE);
  json.feed(payload);
  return json.done ? json.out : "";
}

/** Return a message as text of one character a byte. */
function framed(headers, text) {
  const payload = Buffer.from(text, "utf8");
  const message = Buffer.alloc(16 + headers.length + payload.length);
  message.writeUInt32BE(message.length, 0);
  message.writeUInt32BE(headers.length, 4);
  message.writeUInt32BE(crc32(message.subarray(0, 8)), 8);
  headers.copy(message, 12);
  payload.copy(message, 12 + headers.length);
  message.writeUInt32BE(crc32(message.subarray(0, -4)), message.length - 4);
  return message.toString("latin1");
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
