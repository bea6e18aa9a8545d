/** The one list of screens: the routes, the navigation, the `g` keys and the command palette are made from it. */

import type { ComponentType } from "react";

export interface Screen {
  id: string;
  path: string;
  title: string;
  group: "Spend" | "Money" | "Control" | "System";
  /** `g` and this key go there. */
  key: string;
  /** Whether the span and the filters narrow what it shows. */
  filters: boolean;
  load: () => Promise<{ default: ComponentType }>;
}

const MODULES = import.meta.glob<{ default: ComponentType }>("./screens/*Screen.tsx");

function screen(
  name: string,
  path: string,
  title: string,
  group: Screen["group"],
  key: string,
  filters = true,
): Screen[] {
  const load = MODULES[`./screens/${name}Screen.tsx`];
  return load === undefined ? [] : [{ id: name.toLowerCase(), path, title, group, key, filters, load }];
}

/** In the order of the navigation. A screen is there where its module is. The server knows the same paths. */
export const SCREENS: readonly Screen[] = [
  ...screen("Overview", "/", "Overview", "Spend", "o"),
  ...screen("Live", "/live", "Live", "Spend", "l"),
  ...screen("Explorer", "/explorer", "Explorer", "Spend", "e"),
  ...screen("Sessions", "/sessions", "Sessions", "Spend", "s"),
  ...screen("Breakdown", "/breakdown", "Breakdown", "Spend", "d"),
  ...screen("Reliability", "/reliability", "Reliability", "Spend", "r"),
  ...screen("Customers", "/customers", "Customers", "Money", "c", false),
  ...screen("Billing", "/billing", "Billing", "Money", "i", false),
  ...screen("Prices", "/prices", "Prices", "Money", "p", false),
  ...screen("Budgets", "/budgets", "Budgets", "Control", "b", false),
  ...screen("Alerts", "/alerts", "Alerts", "Control", "a", false),
  ...screen("Capture", "/capture", "Capture health", "System", "h", false),
  ...screen("Settings", "/settings", "Settings", "System", "t", false),
];
