// Who is behind an address: the hosts of the catalog, and those that the program declares.

import { CATALOG } from "./catalog.js";
import { settings } from "./settings.js";

const exact = new Map();
const patterns = [];
for (const [host, provider] of Object.entries(CATALOG.hosts)) {
  if (host.includes("*")) {
    const body = host.split("*").map((part) => part.replace(/[.\\+^$?(){}|[\]]/g, "\\$&")).join(".*");
    patterns.push([new RegExp(`^${body}$`), provider]);
  } else exact.set(host, provider);
}

/** Return `[provider, base path]` of an address, undefined where nobody is metered. */
export function providerAt(url) {
  const declared = Object.entries(settings.providers)
    .map(([address, provider]) => [provider, new URL(address)])
    .filter(([, base]) => base.origin === url.origin && isBelow(url.pathname, basePath(base)))
    .sort((a, b) => b[1].pathname.length - a[1].pathname.length)[0];
  if (declared !== undefined) return [declared[0], basePath(declared[1])];
  const name = url.hostname.toLowerCase();
  const provider = exact.get(name) ?? patterns.find(([pattern]) => pattern.test(name))?.[1];
  return provider === undefined ? undefined : [provider, ""];
}

function basePath(url) {
  return url.pathname.replace(/\/+$/, "");
}

function isBelow(path, base) {
  return base === "" || path === base || path.startsWith(`${base}/`);
}

export function portOf(protocol, port) {
  return Number(port) || (protocol === "http:" ? 80 : 443);
}
