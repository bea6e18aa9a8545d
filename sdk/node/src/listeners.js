// Which loopback ports a Farebox of this user listens on. Each holds a lock on a file of its own in a directory
// that only this user can write; Node cannot ask for a lock, but Linux lists those that are held.

import { lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isLoopback } from "./settings.js";

const LOOK_AGAIN_MS = 1_000;
const known = new Map();

/** Tell whether a Farebox of this user, and nobody else, is behind an address. */
export function isFarebox(host, port) {
  if (process.platform !== "linux" || !isLoopback(host)) return false;
  const now = Date.now();
  const found = known.get(port);
  if (found !== undefined && now < found.until) return found.is;
  const is = look(port);
  if (known.size > 1024) known.clear();
  known.set(port, { is, until: now + LOOK_AGAIN_MS });
  return is;
}

function look(port) {
  try {
    const runtime = process.env.XDG_RUNTIME_DIR;
    const folder = runtime ? join(runtime, "farebox") : join(tmpdir(), `farebox-${process.getuid()}`);
    const status = lstatSync(folder);
    if (!status.isDirectory() || status.uid !== process.getuid() || (status.mode & 0o077) !== 0) return false;
    const names = readdirSync(folder).filter((name) => name.startsWith(`${port}-`));
    if (names.length === 0) return false;
    const locks = readFileSync("/proc/locks", "ascii").split("\n");
    return names.some((name) => {
      const pid = name.slice(name.indexOf("-") + 1);
      const inode = statSync(join(folder, name)).ino;
      return locks.some((line) => line.includes(" FLOCK ") && line.includes(` ${pid} `) && line.includes(`:${inode} `));
    });
  } catch {
    return false;
  }
}
