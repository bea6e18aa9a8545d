// Whose calls they are: what the program says around them, carried by AsyncLocalStorage.

import { AsyncLocalStorage } from "node:async_hooks";
import { basename } from "node:path";
import { report } from "./faults.js";
import { withoutKeys } from "./keys.js";

const NAMES = ["customer", "user", "agent", "session", "task", "project", "app", "step"];
const LABELS = ["app", "session", "customer", "user", "agent", "task", "project"];
const VALUE_MAX = 256;
const around = new AsyncLocalStorage();

/** Run a function; the calls it makes, now and later, belong to those named. */
export function attribute(names, run) {
  let said = current();
  try {
    said = { ...said, ...stated(names ?? {}) };
  } catch (error) {
    report(error, "attribute()"); // a value that is no text: the calls are made, and are as they were without
  }
  return around.run(said, run);
}

/** Return what is said around the code that runs: name to value, tags as `tag.<name>`. */
export function current() {
  return around.getStore() ?? {};
}

/** Return what was given as names and values; what is empty says nothing. */
export function stated(names = {}) {
  const said = {};
  for (const name of NAMES) put(said, name, names[name]);
  put(said, "parent_step", names.parentStep);
  for (const [name, value] of Object.entries(names.tags ?? {})) put(said, `tag.${name.trim().toLowerCase()}`, value);
  return said;
}

function put(said, name, value) {
  const text = value === undefined || value === null ? "" : withoutKeys(String(value).trim()).slice(0, VALUE_MAX);
  if (text) said[name] = text;
}

/** Return the fields of an event that say whose it is: what is said with it, around it, and of its client. */
export function fieldsOf(given, client = {}) {
  const fields = { tags: {}, attribution: {}, attribution_from: {} };
  const write = (said, by) => {
    for (const [name, value] of Object.entries(said)) {
      if (name.startsWith("tag.")) fields.tags[name.slice(4)] = value;
      else if (name.startsWith("process.")) fields.attribution[name] = value;
      else fields[name] = value;
      fields.attribution_from[name] = typeof by === "string" ? by : by(name);
    }
  };
  write({ "process.pid": String(process.pid), "process.command": program(), app: program() }, "process:command");
  for (const label of LABELS) {
    const said = {};
    put(said, label, process.env[`FAREBOX_${label.toUpperCase()}`]);
    write(said, `env:FAREBOX_${label.toUpperCase()}`);
  }
  write(client, "sdk:attribute");
  write(current(), "sdk:attribute");
  write(given, "sdk:event");
  return fields;
}

/** Return the program's name: that of its script, or of a package whose index it is. */
export function program() {
  const script = process.argv[1] ?? "";
  const name = basename(script).replace(/[^\w.-]+/g, "_").slice(0, 40);
  return name || "node";
}
