// Meter every LLM call of a Node program.
//
//     import { instrument, attribute } from "farebox";
//     instrument();
//     await attribute({ customer: "acme" }, () => client.chat.completions.create({ … }));

export { attribute } from "./attribution.js";
export { FareboxError } from "./faults.js";
export { meter } from "./fetch.js";
export { instrument, uninstrument, wrap } from "./instrument.js";
export { flush } from "./recorder.js";
export { configure } from "./settings.js";
export { outcome, record, score, track } from "./statements.js";
