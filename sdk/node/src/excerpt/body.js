// The excerpt of a response's body in the framing it has: JSON, JSON lines, a list, server-sent events, an
// AWS event stream. Bytes go in as they pass, and nothing of them is held that is not kept.

import { Documents } from "./documents.js";
import { EventStream } from "./eventstream.js";
import { JsonExcerpt } from "./json.js";
import { RESPONSE } from "./trees.js";

const SSE_STARTS = ["data:", "event:", "id:", "retry:", ":"];
const START_BYTES = 12;

/** Feed it a body's bytes; `finish` returns `{response}`, `{response_base64}` or nothing. */
export class BodyExcerpt {
  constructor(contentType = "") {
    this.contentType = contentType.toLowerCase();
    this.start = undefined;
    this.reader = undefined;
  }

  feed(bytes) {
    if (this.reader === undefined) {
      const begun = this.start === undefined ? bytes : Buffer.concat([this.start, bytes]);
      const at = textStart(begun);
      const text = begun.subarray(at);
      if (text.length < START_BYTES && text[0] !== 123 && text[0] !== 91) {
        this.start = Buffer.from(begun);
        return;
      }
      this.start = undefined;
      this.reader = this.#choose(text);
      this.reader.feed(text);
    } else {
      this.reader.feed(bytes);
    }
  }

  finish() {
    if (this.reader === undefined && this.start !== undefined) {
      const text = this.start.subarray(textStart(this.start));
      if (text.length > 0) {
        this.reader = this.#choose(text);
        this.reader.feed(text);
      }
    }
    return this.reader?.finish() ?? {};
  }

  #choose(text) {
    if (text[0] === 0 || this.contentType.includes("amazon.eventstream")) return new EventStream();
    if (text[0] === 91) return new List();
    if (text[0] === 123) return new Lines();
    const said = Buffer.from(text.subarray(0, START_BYTES)).toString("latin1");
    if (this.contentType.includes("event-stream") || SSE_STARTS.some((start) => said.startsWith(start))) {
      return new Events();
    }
    return { feed() {}, finish: () => ({}) }; // sound, a picture, a page
  }
}

function textStart(bytes) {
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (bytes[at] === 32 || bytes[at] === 10 || bytes[at] === 13 || bytes[at] === 9) at += 1;
  return at;
}

/** One JSON document, or one after the other. */
class Lines {
  constructor() {
    this.json = new JsonExcerpt(RESPONSE);
    this.documents = new Documents();
    this.begun = false;
    this.separators = [10, 32, 13, 9];
  }

  feed(bytes) {
    let at = 0;
    while (at < bytes.length && !this.json.broken) {
      if (!this.begun) {
        if (this.isSeparator(bytes[at])) {
          at += 1;
          continue;
        }
        this.begun = true;
      }
      at = this.json.feed(bytes, at);
      if (this.json.done) this.#take();
    }
  }

  isSeparator(byte) {
    return this.separators.includes(byte);
  }

  #take() {
    if (this.json.overflowed) this.documents.full = true;
    this.documents.add(this.json.out);
    this.json.reset();
    this.begun = false;
  }

  texts() {
    const texts = this.documents.texts();
    if (this.begun) texts.push(this.json.out); // what is cut off, or no JSON
    return texts;
  }

  finish() {
    return { response: this.texts().join("\n") };
  }
}

/** A JSON list of documents. */
class List extends Lines {
  constructor() {
    super();
    this.opened = false;
    this.closed = false;
    this.separators = [10, 32, 13, 9, 44];
  }

  isSeparator(byte) {
    if (byte === 91 && !this.opened) {
      this.opened = true;
      return true;
    }
    if (byte === 93) {
      this.closed = true;
      return true;
    }
    return super.isSeparator(byte);
  }

  finish() {
    return { response: `[${this.texts().join(",")}${this.closed ? "]" : ""}` };
  }
}

/** Server-sent events. https://html.spec.whatwg.org/multipage/server-sent-events.html */
class Events {
  constructor() {
    this.json = new JsonExcerpt(RESPONSE);
    this.documents = new Documents();
    this.field = ""; // the start of a line that does not tell yet what it is
    this.line = undefined; // "data", "other", or undefined at a line's start
    this.payload = ""; // how the event's data begins
    this.saidAll = () => this.last === "[DONE]";
    this.last = "";
    this.afterReturn = false;
  }

  feed(bytes) {
    let at = 0;
    while (at < bytes.length) {
      const byte = bytes[at];
      if (byte === 10 && this.afterReturn) {
        this.afterReturn = false;
        at += 1;
        continue;
      }
      this.afterReturn = false;
      if (byte === 10 || byte === 13) {
        this.afterReturn = byte === 13;
        if (this.line === undefined && this.field === "") this.#event();
        this.line = undefined;
        this.field = "";
        at += 1;
      } else if (this.line === undefined) {
        this.field += String.fromCharCode(byte);
        if (this.field === "data:") this.line = "data";
        else if (!"data:".startsWith(this.field)) this.line = "other";
        at += 1;
      } else {
        const end = lineEnd(bytes, at);
        if (this.line === "data") this.#data(bytes, at, end);
        at = end;
      }
    }
  }

  #data(bytes, start, end) {
    if (this.payload.length < 16) {
      this.payload += Buffer.from(bytes.subarray(start, Math.min(end, start + 24))).toString("latin1").trim();
    }
    if (this.payload[0] !== "[") this.json.feed(bytes, start, end);
  }

  #event() {
    const payload = this.payload;
    if (payload[0] === "[") {
      if (payload.length < 16) this.documents.add(`data: ${payload}\n\n`, payload);
    } else if (payload !== "" && this.json.out !== "") {
      if (this.json.overflowed) this.documents.full = true;
      this.documents.add(`data: ${this.json.out}\n\n`, this.json.out);
    }
    if (payload !== "") this.last = payload;
    this.payload = "";
    this.json.reset();
  }

  finish() {
    this.#event();
    return { response: this.documents.texts().join("") };
  }
}

function lineEnd(bytes, start) {
  let at = start;
  while (at < bytes.length && bytes[at] !== 10 && bytes[at] !== 13) at += 1;
  return at;
}
