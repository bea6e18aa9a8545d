// Events on the disk: one line each, appended at once to a file of this process, which is renamed when it is
// finished. A program that is killed loses none of them.
//
//     <folder>/<name>-<pid>.part      being written
//     <folder>/<name>-<pid>.ndjson    finished: for the next Farebox command, or for the collector

import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, renameSync, statSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { report } from "./faults.js";
import { source, uuid7 } from "./identity.js";

const FILE_BYTES_MAX = 512 * 1024;
const APPEND_FOR_MS = 30_000; // whoever reads the folder takes an older file for a dead process's
const DEAD_AFTER_MS = 60_000;
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
const COUNT_EVERY_MS = 5_000;

export class Spool {
  constructor(home, folder, bytesMax) {
    this.home = home;
    this.folder = join(home, ...folder);
    this.bytesMax = bytesMax;
    this.descriptor = undefined;
    this.path = "";
    this.size = 0;
    this.openedAt = 0;
    this.used = 0;
    this.countAt = 0;
    this.waiting = []; // what the disk refuses
    this.waitingBytes = 0;
    this.lost = undefined;
  }

  /** Store an event; where the disk refuses it, in a bounded memory. Never throws. */
  append(event) {
    const line = `${JSON.stringify(event)}\n`;
    try {
      this.#store(line);
    } catch (error) {
      report(error, "storing events");
      this.#wait(line, event.type === undefined);
    }
  }

  /** Finish the file that is being written, and try again what the disk refused. */
  rotate() {
    try {
      if (this.waiting.length > 0) {
        const lines = this.waiting;
        this.waiting = [];
        this.waitingBytes = 0;
        this.#restore(lines);
      }
      if (this.descriptor !== undefined) this.#finish();
    } catch (error) {
      report(error, "storing events");
    }
  }

  /** Go on with what another spool could not store. */
  takeOver(other) {
    this.waiting = other.waiting;
    this.waitingBytes = other.waitingBytes;
    this.lost = other.lost;
  }

  /** Return the finished files of every process, those of dead ones included, oldest first. */
  finished() {
    const found = [];
    for (const name of this.#names()) {
      if (name.endsWith(".ndjson")) found.push(join(this.folder, name));
      else if (name.endsWith(".part") && this.#isDead(name)) {
        const path = join(this.folder, name);
        const done = path.replace(/\.part$/, ".ndjson");
        try {
          renameSync(path, done);
          found.push(done);
        } catch {
          // another process was quicker
        }
      }
    }
    return found;
  }

  remove(path) {
    try {
      unlinkSync(path);
    } catch {
      // another process was quicker
    }
  }

  #names() {
    try {
      return readdirSync(this.folder).sort();
    } catch {
      return [];
    }
  }

  #isDead(name) {
    const pid = Number(/-(\d{1,10})\.part$/.exec(name)?.[1] ?? 0);
    try {
      if (Date.now() - lstatSync(join(this.folder, name)).mtimeMs < DEAD_AFTER_MS) return false;
      if (pid > 0) process.kill(pid, 0);
      return pid === 0;
    } catch (error) {
      return error.code === "ESRCH";
    }
  }

  #store(line) {
    const bytes = Buffer.from(line);
    this.#takeRoom(bytes.length);
    const now = Date.now();
    const isOld = now - this.openedAt > APPEND_FOR_MS || now < this.openedAt;
    if (this.descriptor !== undefined && (isOld || this.size + bytes.length > FILE_BYTES_MAX)) this.#finish();
    if (this.descriptor === undefined) this.#open(now);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.descriptor, bytes, at);
    } catch (error) {
      this.#finish(); // a line that was cut is no event, and nothing is appended to it
      throw error;
    }
    this.size += bytes.length;
    if (this.lost !== undefined) this.#tellLost();
  }

  #finish() {
    const path = this.path;
    closeSync(this.descriptor);
    this.descriptor = undefined;
    try {
      renameSync(path, path.replace(/\.part$/, ".ndjson"));
    } catch (error) {
      if (error.code !== "ENOENT") throw error; // taken for a dead process's, whole
    }
  }

  #open(now) {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const found = lstatSync(this.home);
    if (found.uid !== process.getuid() || (found.mode & 0o077) !== 0) {
      throw new Error(`${this.home} can be read by others; type: chmod 700 ${this.home}`);
    }
    this.path = join(this.folder, `${uuid7(now)}-${process.pid}.part`);
    this.descriptor = openSync(this.path, "ax", 0o600);
    this.openedAt = now;
    this.size = 0;
  }

  #takeRoom(size) {
    const now = Date.now();
    if (now >= this.countAt) {
      this.used = 0;
      for (const name of this.#names()) {
        try {
          const found = statSync(join(this.folder, name));
          if (found.isFile()) this.used += found.size;
        } catch {
          // gone
        }
      }
      this.countAt = now + COUNT_EVERY_MS;
    }
    if (this.used + size > this.bytesMax) {
      throw Object.assign(new Error(`the spool has reached its ${this.bytesMax} bytes`), { code: "ENOSPC" });
    }
    this.used += size;
  }

  #restore(lines) {
    lines.forEach((line, place) => {
      try {
        this.#store(line);
      } catch (error) {
        if (place === 0) report(error, "storing events");
        this.#wait(line, true);
      }
    });
  }

  #wait(line, isCall) {
    if (this.waitingBytes + line.length <= WAITING_BYTES_MAX) {
      this.waiting.push(line);
      this.waitingBytes += line.length;
      return;
    }
    this.lost ??= { records: 0, exchanges: 0, bytes: 0, from: new Date().toISOString() };
    this.lost.records += 1;
    this.lost.exchanges += isCall ? 1 : 0;
    this.lost.bytes += line.length;
  }

  #tellLost() {
    const { records, exchanges, bytes, from } = this.lost;
    this.lost = undefined;
    this.append({
      id: uuid7(), source: source(), type: "loss", time: from, ended_at: new Date().toISOString(), records, exchanges, lost_bytes: bytes,
    });
  }
}
