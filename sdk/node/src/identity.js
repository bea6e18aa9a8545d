// Ids of events, and the name of this program on this machine.

import { createHash, randomFillSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { program } from "./attribution.js";

const random = Buffer.alloc(4096);
let drawn = random.length;

/** Return a UUIDv7 (RFC 9562). */
export function uuid7(now = Date.now()) {
  if (drawn + 16 > random.length) {
    randomFillSync(random); // many at once: a call into the system costs more than all else here
    drawn = 0;
  }
  const bytes = random.subarray(drawn, drawn + 16);
  drawn += 16;
  bytes.writeUIntBE(now, 0, 6);
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const digits = bytes.toString("hex");
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}`;
}

let name;

/** Return what events call their writer: one name for every process of a program on a machine. */
export function source() {
  name ??= `node:${digest(machine()).slice(0, 8)}:${program()}`;
  return name;
}

export function digest(text) {
  return createHash("sha256").update(text).digest("hex");
}

function machine() {
  for (const place of ["/etc/machine-id", "/var/lib/dbus/machine-id"]) {
    try {
      return hostname() + readFileSync(place, "ascii").trim();
    } catch {
      // the next one
    }
  }
  return hostname();
}
