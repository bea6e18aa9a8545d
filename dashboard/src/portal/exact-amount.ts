/** Amounts that are exact: decimals of any length, or `numerator/denominator`. Shown, never computed with. */

import { formatAmount } from "@/shared/amount";

const PLACES = 12n;

/** Return an exact amount for people: all of a decimal; of a fraction twelve places, after `≈`. */
export function formatExact(text: string, currency: string): string {
  const [numerator = "0", denominator] = text.split("/");
  if (denominator === undefined) return formatAmount(numerator, currency);
  return `≈ ${formatAmount(decimal(BigInt(numerator), BigInt(denominator)), currency)}`;
}

/** Return a fraction with twelve places, rounded half away from zero. */
function decimal(numerator: bigint, denominator: bigint): string {
  const negative = numerator < 0n;
  const scaled =
    ((negative ? -numerator : numerator) * 10n ** PLACES * 2n + denominator) / (denominator * 2n);
  const digits = scaled.toString().padStart(Number(PLACES) + 1, "0");
  const at = digits.length - Number(PLACES);
  return `${negative ? "-" : ""}${digits.slice(0, at)}.${digits.slice(at)}`;
}
