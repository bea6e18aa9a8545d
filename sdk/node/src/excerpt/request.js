// The excerpt of a request: which model, streamed or not, limits. Its words are never kept.

import { JsonExcerpt } from "./json.js";
import { REQUEST } from "./trees.js";

const FORM_BYTES = 64 * 1024;

export class RequestExcerpt {
  constructor() {
    this.json = new JsonExcerpt(REQUEST);
    this.size = 0;
    this.first = undefined;
    this.model = undefined;
  }

  /** Take in a piece of the body: text or bytes. */
  feed(piece) {
    const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
    this.size += bytes.length;
    this.first ??= bytes[0];
    if (this.first === 45) this.#form(bytes);
    else this.json.feed(bytes);
  }

  /** Take in a form as a program has it. */
  form(data) {
    const model = data.get("model");
    if (typeof model === "string") this.model = model;
  }

  /** Return the excerpt as JSON text; `query` can name the model, too. */
  text(query) {
    const said = this.json.done && this.json.out.startsWith("{") ? this.json.out : "{}";
    const model = said.includes('"model":') ? undefined : (this.model ?? query?.get("model"));
    if (!model) return said;
    return `{"model":${JSON.stringify(model.slice(0, 256))}${said === "{}" ? "}" : `,${said.slice(1)}`}`;
  }

  #form(bytes) {
    if (this.model !== undefined || this.size > FORM_BYTES + bytes.length) return;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, FORM_BYTES)).toString("latin1");
    this.model = /name="?model"?[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]{1,256})\r\n--/i.exec(text)?.[1];
  }
}
