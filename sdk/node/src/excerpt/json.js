// Cut a JSON document down to what a tree keeps, while it passes, in pieces of any size.
//
// Numbers are copied as they are written: an amount never becomes a float. Nothing but what is kept is held.

import { LENGTH, MARK, SCALAR, USAGE } from "./trees.js";

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const COLON = 58;
const OPEN = 123; // {
const CLOSE = 125;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;

const AT_VALUE = 0;
const AT_KEY = 1;
const AT_COLON = 2;
const AT_COMMA = 3;
const IN_STRING = 4;
const IN_LITERAL = 5;
const IN_SKIPPED = 6;

const DEPTH_MAX = 128;
const KEY_BYTES_MAX = 128;
const TEXT_BYTES_MAX = 1024;
const TEXT_MAX = 256;
const LENGTH_BYTES_MAX = 256 * 1024;
const LITERAL_MAX = 64;
const OUT_MAX = 64 * 1024;

/** One document after the other: `feed` until `done`, take `out`, `reset`. */
export class JsonExcerpt {
  constructor(root) {
    this.rootNode = root;
    this.reset();
  }

  reset() {
    this.out = "";
    this.done = false;
    this.broken = false;
    this.overflowed = false; // more was to be kept than is kept of any document
    this.state = AT_VALUE;
    this.specs = []; // what is kept of the entries of each open object or list
    this.lists = [];
    this.counts = []; // entries written of each
    this.spec = this.rootNode; // what is kept of the value that comes
    this.key = undefined;
    this.depth = 0; // of what is skipped
    this.isKey = false;
    this.escaped = false;
    this.pieces = undefined; // of a string that is kept
    this.kept = 0;
    this.keepMax = 0;
    this.size = 0;
    this.literal = "";
    this.afterString = AT_COMMA;
  }

  /** Take in bytes; return where the document ended, or `end`. */
  feed(bytes, start = 0, end = bytes.length) {
    let at = start;
    while (at < end && !this.done && !this.broken) {
      if (this.state === IN_STRING) {
        at = this.#string(bytes, at, end);
      } else if (this.state === IN_SKIPPED) {
        at = this.#skipped(bytes, at, end);
      } else if (this.state === IN_LITERAL) {
        at = this.#inLiteral(bytes, at, end);
      } else {
        const byte = bytes[at];
        if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) this.#token(byte);
        if (this.state !== IN_LITERAL || byte <= 32) at += 1; // a literal begins with this byte
      }
    }
    return at;
  }

  /** Note that nothing follows: a number by itself is at its end. */
  end() {
    if (this.state === IN_LITERAL) this.#literalEnds();
  }

  #token(byte) {
    switch (this.state) {
      case AT_VALUE:
        if (byte === QUOTE) this.#beginString(false);
        else if (byte === OPEN || byte === OPEN_LIST) this.#open(byte === OPEN_LIST);
        else if (byte === CLOSE_LIST && this.lists.at(-1) === true) this.#close();
        else if (byte === CLOSE || byte === COMMA || byte === COLON || byte === CLOSE_LIST) this.broken = true;
        else {
          this.state = IN_LITERAL;
          this.literal = "";
        }
        break;
      case AT_KEY:
        if (byte === QUOTE) this.#beginString(true);
        else if (byte === CLOSE) this.#close();
        else this.broken = true;
        break;
      case AT_COLON:
        if (byte === COLON) this.state = AT_VALUE;
        else this.broken = true;
        break;
      default:
        if (byte === COMMA) {
          this.state = this.lists.at(-1) ? AT_VALUE : AT_KEY;
          if (this.lists.at(-1)) this.spec = this.specs.at(-1);
        } else if (byte === CLOSE || byte === CLOSE_LIST) this.#close();
        else this.broken = true;
    }
  }

  // -- objects and lists --

  #open(isList) {
    const spec = this.spec;
    const isMark = spec === MARK || spec?.marks === true;
    const descends = spec === USAGE || (typeof spec === "object" && spec !== null) || (isMark && isList);
    if (!descends || this.specs.length >= DEPTH_MAX || this.out.length > OUT_MAX) {
      if (descends) this.overflowed = true;
      if (isMark) this.#write("1"); // an object is there
      this.state = IN_SKIPPED;
      this.depth = 1;
      return;
    }
    this.#write(isList ? "[" : "{");
    this.specs.push(spec);
    this.lists.push(isList);
    this.counts.push(0);
    this.state = isList ? AT_VALUE : AT_KEY;
  }

  #close() {
    const isList = this.lists.pop();
    const spec = this.specs.pop();
    const count = this.counts.pop();
    if (isList === undefined) {
      this.broken = true;
      return;
    }
    if (!isList && count === 0 && spec?.marks) {
      this.out = `${this.out.slice(0, -1)}"error"`; // without a code it is one all the same
    } else {
      this.out += isList ? "]" : "}";
    }
    this.#valueEnds();
  }

  #valueEnds() {
    if (this.specs.length === 0) {
      this.done = true;
    } else {
      this.state = AT_COMMA;
    }
  }

  #skipped(bytes, start, end) {
    let at = start;
    while (at < end) {
      const byte = bytes[at++];
      if (byte === QUOTE) {
        this.pieces = undefined;
        this.afterString = IN_SKIPPED;
        this.state = IN_STRING;
        return at;
      }
      if (byte === OPEN || byte === OPEN_LIST) this.depth += 1;
      else if (byte === CLOSE || byte === CLOSE_LIST) {
        this.depth -= 1;
        if (this.depth === 0) {
          this.#valueEnds();
          return at;
        }
      }
    }
    return at;
  }

  /** Write a value, with its comma and its key. */
  #write(text) {
    const place = this.counts.length - 1;
    if (place >= 0) {
      if (this.out.length > OUT_MAX) {
        this.overflowed = true;
        return;
      }
      if (this.counts[place]++ > 0) this.out += ",";
      if (!this.lists[place]) this.out += `"${this.key}":`;
    }
    this.out += text;
  }

  // -- strings --

  #beginString(isKey) {
    const spec = this.spec;
    this.isKey = isKey;
    this.state = IN_STRING;
    this.afterString = isKey ? AT_COLON : AT_COMMA;
    this.size = 0;
    this.kept = 0;
    const isKept = isKey || spec === SCALAR || spec === USAGE || spec === MARK || spec === LENGTH || spec?.marks;
    this.pieces = isKept ? [] : undefined;
    this.keepMax = isKey ? KEY_BYTES_MAX : spec === LENGTH ? LENGTH_BYTES_MAX : TEXT_BYTES_MAX;
  }

  #string(bytes, start, end) {
    // A loop: looking for a byte with indexOf would look through all of the piece where there is none.
    let at = start;
    if (this.escaped) {
      this.escaped = false;
      at += 1;
    }
    for (; at < end; at += 1) {
      const byte = bytes[at];
      if (byte === QUOTE) {
        this.#keep(bytes, start, at, true);
        this.#stringEnds();
        return at + 1;
      }
      if (byte === BACKSLASH) at += 1;
    }
    this.escaped = at > end;
    this.#keep(bytes, start, end, false);
    return end;
  }

  #keep(bytes, start, end, isWhole) {
    this.size += end - start;
    if (this.pieces !== undefined && this.kept < this.keepMax) {
      const until = Math.min(end, start + this.keepMax - this.kept);
      const piece = Buffer.from(bytes.buffer, bytes.byteOffset + start, until - start);
      this.kept += piece.length;
      this.pieces.push(isWhole ? piece : Buffer.from(piece)); // what waits for more is a copy
    }
  }

  #stringEnds() {
    const after = this.afterString;
    this.state = after;
    if (after === IN_SKIPPED) return;
    const pieces = this.pieces;
    this.pieces = undefined;
    if (this.isKey) {
      this.#keyIs(this.size > KEY_BYTES_MAX ? undefined : textOf(pieces));
      return;
    }
    if (pieces !== undefined) this.#keepText(pieces);
    this.#valueEnds();
  }

  #keyIs(raw) {
    this.key = raw;
    const node = this.specs.at(-1);
    let key = raw;
    if (raw?.includes("\\")) {
      try {
        key = JSON.parse(`"${raw}"`);
      } catch {
        key = undefined;
      }
    }
    this.spec = key === undefined ? undefined : node === USAGE ? USAGE : node.under?.(key);
  }

  #keepText(pieces) {
    const spec = this.spec;
    if (spec === USAGE && this.specs.at(-1) !== USAGE) return; // a text where usage would be an object
    if (spec === LENGTH) {
      if (this.size > LENGTH_BYTES_MAX) return;
      try {
        this.#write(`{"@length":${[...JSON.parse(`"${textOf(pieces)}"`)].length}}`);
      } catch {
        // no text
      }
    } else if (spec === MARK) {
      this.#write(this.size === 0 ? '""' : `"${hashed(pieces, this.size)}"`);
    } else if (spec?.marks) {
      this.#write('"error"');
    } else if (this.size <= TEXT_BYTES_MAX) {
      const text = textOf(pieces);
      if (text.length <= TEXT_MAX) this.#write(`"${text}"`);
    }
  }

  // -- numbers, true, false, null --

  #inLiteral(bytes, start, end) {
    let at = start;
    while (at < end) {
      const byte = bytes[at];
      if (byte <= 32 || byte === COMMA || byte === CLOSE || byte === CLOSE_LIST) {
        this.#literalEnds();
        return at;
      }
      if (this.literal.length < LITERAL_MAX) this.literal += String.fromCharCode(byte);
      at += 1;
    }
    return at;
  }

  #literalEnds() {
    const text = this.literal;
    const spec = this.spec;
    const isKept = spec === SCALAR || spec === USAGE || spec === MARK;
    const inList = this.lists.at(-1) === true && spec !== USAGE;
    if (isKept && !inList) {
      if (/^(?:-?\d[\d.eE+-]*|true|false|null)$/.test(text)) this.#write(text);
    }
    this.#valueEnds();
  }
}

function textOf(pieces) {
  return pieces.length === 1 ? pieces[0].toString("utf8") : Buffer.concat(pieces).toString("utf8");
}

/** Return what tells a text from others and says nothing of it. */
function hashed(pieces, size) {
  let hash = 0x811c9dc5;
  for (const piece of pieces) {
    for (const byte of piece) hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return `${(hash >>> 0).toString(16).padStart(8, "0")}${size.toString(16)}`;
}
