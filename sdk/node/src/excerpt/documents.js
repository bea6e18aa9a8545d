// The documents of a stream that say something new. A stream repeats itself: of documents that are the same,
// and later of those that differ in their numbers alone, the first and the last say what all of them do.

const SOFT_BYTES = 48 * 1024;
const HARD_BYTES = 192 * 1024;

export class Documents {
  constructor() {
    this.kept = new Map(); // what it says: [text, where it came first, where it came last]
    this.count = 0;
    this.size = 0;
    this.due = SOFT_BYTES;
    this.full = false; // what came later is missing
  }

  /** Keep a document, framed as it was sent; `says` is what tells it from others. */
  add(text, says = text) {
    if (this.full) return;
    this.count += 1;
    const known = this.kept.get(says);
    if (known !== undefined) {
      known[2] = this.count;
      return;
    }
    this.kept.set(says, [text, this.count, this.count]);
    this.size += text.length;
    if (this.size > this.due) this.#compact();
  }

  texts() {
    const places = [];
    for (const [text, first, last] of this.kept.values()) {
      places.push([first, text]);
      if (last !== first) places.push([last, text]);
    }
    return places.sort((a, b) => a[0] - b[0]).map(([, text]) => text);
  }

  #compact() {
    const alike = new Map();
    for (const [says, entry] of this.kept) {
      const like = shape(says);
      const [first, last] = alike.get(like) ?? [says, says];
      alike.set(like, [first, entry[2] >= this.kept.get(last)[2] ? says : last]);
    }
    const wanted = new Set([...alike.values()].flat());
    for (const says of [...this.kept.keys()]) {
      if (!wanted.has(says)) this.kept.delete(says);
    }
    this.size = [...this.kept.values()].reduce((sum, [text]) => sum + text.length, 0);
    this.due = Math.max(SOFT_BYTES, 2 * this.size);
    this.full = this.size > HARD_BYTES;
  }
}

/** A number that is zero is not alike one that is not. */
function shape(text) {
  return text.replace(/([:[,])-?\d[\d.eE+-]*/g, (number, before) => before + (/[1-9]/.test(number) ? "1" : "0"));
}
