/** How the calls are sorted, as in the address: `order=cost&direction=asc`. None is newest first, and live. */

const ORDERS = ["time", "cost", "total", "first_byte", "tokens"] as const;
export type OrderName = (typeof ORDERS)[number];

export interface CallOrder {
  name: OrderName;
  ascending: boolean;
}

export function readOrder(name: string | undefined, direction: string | undefined): CallOrder | undefined {
  const known = ORDERS.find((each) => each === name);
  const ascending = direction === "asc";
  return known === undefined || (known === "time" && !ascending) ? undefined : { name: known, ascending };
}

/** What a click on a column's title asks for: its highest first, then its lowest, then newest first again. */
export function nextOrder(now: CallOrder | undefined, name: OrderName): CallOrder | undefined {
  if (name === "time") return now === undefined ? { name, ascending: true } : undefined;
  if (now?.name !== name) return { name, ascending: false };
  return now.ascending ? undefined : { name, ascending: true };
}

/** What a column's title says of it to a screen reader. */
export function sortedAs(now: CallOrder | undefined, name: OrderName): "ascending" | "descending" | "none" {
  if (now === undefined) return name === "time" ? "descending" : "none";
  return now.name !== name ? "none" : now.ascending ? "ascending" : "descending";
}
