import type { ReactElement } from "react";
import { useAddress } from "@/shared/search/use-address";

interface TabsProps {
  label: string;
  /** Name in the address and what it is called; the first one is there without a name. */
  tabs: readonly (readonly [string, string])[];
  /** What else of the address ends with a tab. */
  clears?: readonly string[];
}

/** Return the tab that the address names. */
export function useTab(tabs: readonly (readonly [string, string])[]): string {
  const [address] = useAddress();
  const first = tabs[0]?.[0] ?? "";
  return tabs.some(([name]) => name === address.tab) ? (address.tab ?? first) : first;
}

/** Parts of a screen. A row of its own scrolls where it is narrow. */
export function Tabs({ label, tabs, clears = [] }: TabsProps): ReactElement {
  const [, change] = useAddress();
  const current = useTab(tabs);
  const cleared = Object.fromEntries(clears.map((name) => [name, undefined]));
  return (
    <nav aria-label={label} className="-mx-1 flex gap-1 overflow-x-auto px-1 pb-1">
      {tabs.map(([name, title], index) => (
        <button
          key={name}
          type="button"
          aria-current={name === current ? "page" : undefined}
          onClick={() => change({ ...cleared, tab: index === 0 ? undefined : name })}
          className="rounded-lg px-3 py-1.5 text-[13.5px] font-medium whitespace-nowrap text-soft hover:bg-sunken hover:text-ink aria-[current=page]:bg-ink aria-[current=page]:text-paper"
        >
          {title}
        </button>
      ))}
    </nav>
  );
}
