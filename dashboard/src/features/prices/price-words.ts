/** Words for a price row. */

import type { PriceRowView } from "@/shared/api/types";

const OWN: Readonly<Record<string, string>> = {
  user: "your own price",
  contract: "your contract",
  "genai-prices": "genai-prices",
  litellm: "LiteLLM",
  overlay: "correction of Farebox",
};
/** Units whose price for one is too small to read. */
const TINY = 0.001;

/** `$2.50 a million`, or for one where that is readable: an image, a search. */
export function priceOf(row: PriceRowView): string {
  const each = Number(row.unit_price_usd);
  return each > 0 && each < TINY ? `$${row.per_million_usd} a million` : `$${row.unit_price_usd} each`;
}

export function sourceOf(row: PriceRowView): string {
  return OWN[row.price_source] ?? row.price_source;
}

/** For which calls it holds, where not for all. */
export function conditionsOf(row: PriceRowView): string {
  const facts = Object.entries(row.when).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`);
  const above = row.above_input_tokens;
  if (above !== null) facts.push(`over ${above.toLocaleString("en-US")} input tokens`);
  return facts.join(", ");
}

/** How many whole days ago the figure was checked; null where that is not known. */
export function ageOf(row: PriceRowView, now: Date): number | null {
  const checked = Date.parse(row.checked);
  return Number.isNaN(checked) ? null : Math.max(Math.floor((now.getTime() - checked) / 86_400_000), 0);
}
