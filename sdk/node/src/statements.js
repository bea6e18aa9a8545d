// What a program states by itself: usage that it knows, responses it was handed, what came of the work.

import { fieldsOf, stated } from "./attribution.js";
import { meteredResponses } from "./exchange.js";
import { BodyExcerpt } from "./excerpt/body.js";
import { FareboxError, report } from "./faults.js";
import { source, uuid7 } from "./identity.js";
import { append } from "./recorder.js";
import { isDisabled } from "./settings.js";

const PROVIDER = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** Record a call of which the program knows the usage; return its event id, undefined where metering is off. */
export function record({ provider, model, usage, eventId, occurredAt, ...names }) {
  if (!PROVIDER.test(provider ?? "")) throw new FareboxError(`provider is a name such as openai, not ${provider}`);
  if (!model) throw new FareboxError("model is missing: nothing can be priced without");
  if (usage === null || typeof usage !== "object" || Object.keys(usage).length === 0) {
    throw new FareboxError("usage is an object of quantities, or the provider's own usage object");
  }
  return store({ provider, model: String(model), usage, witness: "sdk" }, names, eventId, occurredAt);
}

/** Record that something was achieved: `outcome("lead.qualified", { task: "t-1", value: "40.00" })`. */
export function outcome(name, { value, eventId, occurredAt, ...names } = {}) {
  const fields = { type: "outcome", name: checkedName(name) };
  if (value !== undefined && value !== null) fields.value = decimalText(value);
  return store(fields, names, eventId, occurredAt);
}

/** Record feedback or the result of an evaluation: `score({ name: "faithfulness", value: 0.92, task: "t-1" })`. */
export function score({ name, value, eventId, occurredAt, ...names }) {
  return store({ type: "score", name: checkedName(name), value: decimalText(value) }, names, eventId, occurredAt);
}

/** Record what a response cost and return it: a client's response object, its JSON, or a stream of events. */
export function track(response, { provider, model, ...names }) {
  if (!PROVIDER.test(provider ?? "")) throw new FareboxError("track() needs the provider: track(response, { provider: \"openai\" })");
  if (isDisabled()) return response;
  try {
    const tracked = new Tracked(provider, model, names);
    if (typeof response?.[Symbol.asyncIterator] === "function") return trackedStream(response, tracked);
    tracked.whole(response);
  } catch (error) {
    report(error, "track()");
  }
  return response;
}

class Tracked {
  constructor(provider, model, names) {
    this.provider = provider;
    this.model = model;
    this.fields = fieldsOf(stated(names));
    this.startedAt = new Date();
    this.began = performance.now();
    this.body = undefined;
    this.ended = false;
  }

  whole(response) {
    const text = typeof response === "string" ? response : JSON.stringify(response);
    this.body = new BodyExcerpt("application/json");
    this.body.feed(Buffer.from(text ?? ""));
    this.#store("completed", "application/json");
  }

  event(event) {
    if (this.ended) return;
    try {
      this.body ??= new BodyExcerpt("text/event-stream");
      this.body.feed(Buffer.from(`data: ${JSON.stringify(event)}\n\n`));
    } catch (error) {
      this.ended = true;
      report(error, "track()");
    }
  }

  end(whole) {
    if (this.ended || this.body === undefined) return;
    this.ended = true;
    try {
      if (whole) this.body.feed(Buffer.from("data: [DONE]\n\n"));
      this.#store(whole ? "completed" : "client_disconnected", "text/event-stream");
    } catch (error) {
      report(error, "track()");
    }
  }

  #store(outcome, contentType) {
    const { response = "" } = this.body.finish();
    const id = /"(?:id|responseId)":"([^"\\]+)"/.exec(response)?.[1];
    if (id !== undefined && meteredResponses.has(id)) {
      throw new FareboxError("it was metered when it was received: say whose it is with attribute()");
    }
    append({
      id: uuid7(),
      source: source(),
      time: this.startedAt.toISOString(),
      ...this.fields,
      provider: this.provider,
      status: 200,
      outcome,
      total_us: Math.round((performance.now() - this.began) * 1000),
      witness: "sdk",
      excerpt: {
        request: this.model ? JSON.stringify({ model: this.model }) : "",
        headers: { "content-type": contentType },
        response,
      },
    });
  }
}

/** Return a stream that is recorded when it ends; everything else is the stream's own. */
function trackedStream(stream, tracked) {
  async function* events() {
    let whole = false;
    try {
      for await (const event of stream) {
        tracked.event(event);
        yield event;
      }
      whole = true;
    } finally {
      tracked.end(whole);
    }
  }
  return new Proxy(stream, {
    get(target, name) {
      if (name === Symbol.asyncIterator) return events;
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function store(fields, names, eventId, occurredAt) {
  if (isDisabled()) return undefined;
  const id = eventId === undefined ? uuid7() : String(eventId).trim();
  if (id.length === 0 || id.length > 256) throw new FareboxError("an event id has 1 to 256 characters");
  const at = occurredAt === undefined ? new Date() : new Date(occurredAt);
  if (Number.isNaN(at.getTime())) throw new FareboxError(`occurredAt is a Date, not ${occurredAt}`);
  append({ id, source: source(), time: at.toISOString(), ...fieldsOf(stated(names)), ...fields });
  return id;
}

function checkedName(name) {
  if (typeof name !== "string" || name.length === 0 || name.length > 128) throw new FareboxError("a name has 1 to 128 characters");
  return name;
}

function decimalText(value) {
  const text = String(value).trim();
  const isNumber = typeof value === "number" || typeof value === "bigint" || typeof value === "string";
  if (!isNumber || !/^-?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,2})?$/i.test(text)) throw new FareboxError(`value is a number, not ${text}`);
  return text;
}
