// What is kept of a request and of a response, as the catalog says: a tree of keys for each.

import { CATALOG } from "../catalog.js";

export const SCALAR = "scalar"; // a number or a short text
export const USAGE = "usage"; // an object of counts, whole, without long texts
export const MARK = "mark"; // that there is something, not what
export const LENGTH = "length"; // how long its text is

/** One object of a document: which of its keys are kept, and how. */
class Node {
  constructor(tree, root, anywhere) {
    this.root = tree["@"] === "root" ? root : undefined;
    this.marks = tree["@"] === MARK; // where a text stands in the object's place
    this.anywhere = anywhere;
    this.keys = new Map();
    for (const [key, inner] of Object.entries(tree)) {
      if (key !== "@") {
        this.keys.set(key, typeof inner === "string" ? inner : new Node(inner, root ?? this, anywhere));
      }
    }
  }

  /** Return what is kept under a key: a word from above, a node, or undefined for nothing. */
  under(key) {
    const found = this.keys.get(key) ?? this.root?.keys.get(key);
    return found ?? (this.anywhere.has(key) ? SCALAR : undefined);
  }
}

export const REQUEST = new Node(CATALOG.request, undefined, new Set());
export const RESPONSE = new Node(CATALOG.response, undefined, new Set(CATALOG.anywhere));
export const HEADERS = CATALOG.headers;
