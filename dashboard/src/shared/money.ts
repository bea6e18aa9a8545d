/**
 * Show money. Amounts arrive as text and stay integers (BigInt) here: a JavaScript number
 * loses digits past 2^53. Nothing in the dashboard computes a price.
 */

const PICO_PER_USD = 10n ** 12n;
const PICO_PER_CENT = 10n ** 10n;

/** Return an amount for people: cents from $1 up, four significant digits below. */
export function formatMoney(pico: string): string {
  const amount = BigInt(pico);
  const sign = amount < 0n ? "-" : "";
  const size = amount < 0n ? -amount : amount;
  if (size === 0n) return "$0.00";
  if (size >= PICO_PER_USD) {
    const cents = divideHalfUp(size, PICO_PER_CENT);
    return `${sign}$${grouped(cents / 100n)}.${String(cents % 100n).padStart(2, "0")}`;
  }
  const dropped = Math.max(String(size).length - 4, 0);
  const scale = 10n ** BigInt(dropped);
  const rounded = divideHalfUp(size, scale) * scale;
  if (rounded >= PICO_PER_USD) return `${sign}$1.00`;
  return `${sign}$0.${trimmedFraction(rounded, 2)}`;
}

/** Return the whole amount, every digit of it: what a hover shows. */
export function exactMoney(pico: string): string {
  const amount = BigInt(pico);
  const sign = amount < 0n ? "-" : "";
  const size = amount < 0n ? -amount : amount;
  return `${sign}$${grouped(size / PICO_PER_USD)}.${trimmedFraction(size % PICO_PER_USD, 2)}`;
}

/** Return `part` of `whole` in thousandths, for the length of a bar. */
export function permille(part: string, whole: string): number {
  const all = BigInt(whole);
  if (all <= 0n) return 0;
  return Number((BigInt(part) * 1000n) / all);
}

/** Return the largest of some amounts, "0" where there are none. */
export function largest(amounts: readonly string[]): string {
  let top = 0n;
  for (const text of amounts) {
    const amount = BigInt(text);
    if (amount > top) top = amount;
  }
  return String(top);
}

/** Return at most four round amounts (1, 2 or 5 times a power of ten) up to `top`, highest first. */
export function scaleTicks(top: string): string[] {
  const highest = BigInt(top);
  if (highest <= 0n) return [];
  const power = 10n ** BigInt(Math.max(String(highest).length - 2, 0));
  const step = [1n, 2n, 5n, 10n, 20n, 50n].map((size) => size * power).find((size) => highest / size <= 4n);
  if (step === undefined) return [];
  const ticks: string[] = [];
  for (let at = step; at <= highest; at += step) ticks.unshift(String(at));
  return ticks;
}

function divideHalfUp(value: bigint, by: bigint): bigint {
  return (value * 2n + by) / (by * 2n);
}

function trimmedFraction(fraction: bigint, least: number): string {
  return String(fraction).padStart(12, "0").replace(/0+$/, "").padEnd(least, "0");
}

function grouped(whole: bigint): string {
  return String(whole).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}
