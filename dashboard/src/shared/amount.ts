/** Amounts that arrive as decimal text in a currency: shown, compared, never computed with. */

const PICO_DIGITS = 12;

/** Return decimal text with its thousands apart; a ratio stays as it is. */
export function groupDigits(text: string): string {
  const [whole = "", fraction] = text.split(".");
  if (!/^-?\d+$/.test(whole)) return text;
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** Return an amount for people: `$1,234.50`, `−1,234.50 EUR`. */
export function formatAmount(text: string, currency: string): string {
  const negative = text.startsWith("-");
  const [whole = "0", fraction = ""] = text.replace(/^-/, "").split(".");
  const shown = groupDigits(fraction === "" ? whole : `${whole}.${fraction}`);
  const sign = negative ? "−" : "";
  return currency === "USD" ? `${sign}$${shown}` : `${sign}${shown} ${currency}`;
}

/** Return decimal text as pico of its currency, as text: for `Money` and for the length of bars. */
export function picoOf(text: string): string {
  const negative = text.startsWith("-");
  const [whole = "0", fraction = ""] = text.replace(/^-/, "").split(".");
  const digits = BigInt(whole + fraction.slice(0, PICO_DIGITS).padEnd(PICO_DIGITS, "0"));
  return String(negative ? -digits : digits);
}

/** Order two amounts of one currency; an unknown one comes last. */
export function compareAmounts(a: string | null, b: string | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  const difference = BigInt(picoOf(a)) - BigInt(picoOf(b));
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
