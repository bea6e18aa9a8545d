// What a program says about how it is metered.

import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { FareboxError, report, useHook } from "./faults.js";

export const settings = {
  home: undefined,
  collector: undefined,
  token: undefined,
  providers: {},
  flushInterval: 1,
  spoolBytes: 64 * 1024 * 1024,
};
const listeners = [];

export function whenChanged(listener) {
  listeners.push(listener);
}

export function isDisabled() {
  return !["", "0", "false", "no"].includes((process.env.FAREBOX_DISABLED ?? "").trim().toLowerCase());
}

/** Say where events go, and what is metered; what is not given stays as it is. See index.d.ts. */
export function configure(given = {}) {
  const { onError, ...rest } = given;
  for (const name of Object.keys(rest)) {
    if (!(name in settings)) throw new FareboxError(`configure() knows no ${name}`);
  }
  if (rest.collector) rest.collector = collectorUrl(rest.collector);
  if (rest.token !== undefined && !/^[\x21-\x7e]{0,512}$/.test(rest.token)) {
    throw new FareboxError("token is not what `farebox tokens create` shows");
  }
  for (const origin of Object.keys(rest.providers ?? {})) {
    if (!URL.canParse(origin)) throw new FareboxError(`providers: ${origin} is no address such as http://localhost:11434`);
  }
  if (onError !== undefined) useHook(onError);
  Object.assign(settings, rest);
  for (const listener of listeners) listener();
}

/** Return the collector's address, undefined where events stay on this machine. */
export function collector() {
  if (settings.collector !== undefined) return settings.collector || undefined;
  const named = (process.env.FAREBOX_COLLECTOR ?? "").trim();
  try {
    return named ? collectorUrl(named) : undefined;
  } catch (error) {
    report(error, "reading FAREBOX_COLLECTOR"); // events stay on this machine, where they can be had
    return undefined;
  }
}

export function collectorToken() {
  return settings.token ?? (process.env.FAREBOX_TOKEN ?? "").trim();
}

function collectorUrl(text) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol) || url.username || url.password || url.search || url.hash) {
    throw new FareboxError(
      "collector is an address such as https://farebox.example.com, without a user name or a query; " +
        "the token is given as token or FAREBOX_TOKEN",
    );
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    throw new FareboxError(`collector http://${url.hostname} is refused: the token would travel in the clear; use https://`);
  }
  return url.href.replace(/\/+$/, "");
}

export function isLoopback(host) {
  return host === "localhost" || host === "[::1]" || host === "::1" || /^127(\.\d+){3}$/.test(host);
}

/** Return the state directory: FAREBOX_HOME, else where the platform keeps a user's data. */
export function home() {
  if (settings.home !== undefined) return resolve(settings.home);
  const named = process.env.FAREBOX_HOME;
  if (named) return resolve(named.replace(/^~(?=\/|$)/, homedir()));
  if (process.platform === "darwin") return join(homedir(), "Library", "Application Support", "farebox");
  const data = (process.env.XDG_DATA_HOME ?? "").trim();
  return join(data || join(homedir(), ".local", "share"), "farebox");
}
