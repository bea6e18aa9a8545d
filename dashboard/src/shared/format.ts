/** Show counts, durations and moments. */

const COUNT = new Intl.NumberFormat("en-US");
const COMPACT = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });

export function formatCount(count: number): string {
  return COUNT.format(count);
}

/** `1 call`, `2 calls`. */
export function formatCalls(count: number): string {
  return `${COUNT.format(count)} ${count === 1 ? "call" : "calls"}`;
}

/** 12.4K above ten thousand, every digit below. */
export function formatCompact(count: number): string {
  return count < 10_000 ? COUNT.format(count) : COMPACT.format(count);
}

export function formatDuration(us: number): string {
  if (us <= 0) return "–";
  if (us < 1_000) return `${us} µs`;
  if (us < 1_000_000) return `${Math.round(us / 1_000)} ms`;
  if (us < 60_000_000) return `${(us / 1_000_000).toFixed(us < 10_000_000 ? 2 : 1)} s`;
  const seconds = Math.round(us / 1_000_000);
  return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  if (bytes < 1024 ** 3) return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}

/** The clock in the zone, with the day in front when it is not today. */
export function formatMoment(iso: string, tz: string, now: Date = new Date()): string {
  const moment = new Date(iso);
  const time = clock(moment, tz, true);
  return dayOf(moment, tz) === dayOf(now, tz) ? time : `${formatDay(moment, tz)} ${time}`;
}

export function formatExactMoment(iso: string, tz: string): string {
  return `${new Date(iso).toLocaleString("sv-SE", { timeZone: tz })} ${tz} · ${iso}`;
}

export function clock(moment: Date, tz: string, seconds = false): string {
  return moment.toLocaleTimeString("en-GB", {
    timeZone: tz,
    hour: "2-digit",
    minute: "2-digit",
    ...(seconds ? { second: "2-digit" } : {}),
  });
}

export function formatDay(moment: Date, tz: string): string {
  return moment.toLocaleDateString("en-GB", { timeZone: tz, day: "numeric", month: "short" });
}

/** A moment in the zone as an address has it, to the minute: `2026-11-20T14:00`. */
export function addressMoment(ms: number, tz: string): string {
  return new Date(ms).toLocaleString("sv-SE", { timeZone: tz }).slice(0, 16).replace(" ", "T");
}

function dayOf(moment: Date, tz: string): string {
  return moment.toLocaleDateString("sv-SE", { timeZone: tz });
}

/** Words for a slug: `input_uncached` becomes `Input uncached`. */
export function words(slug: string): string {
  const text = slug.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
