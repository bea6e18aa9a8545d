import type { ReactElement, ReactNode } from "react";

/** What may be wider than a phone: it scrolls by itself, also by keys. */
export function Scrolling({ label, children }: { label: string; children: ReactNode }): ReactElement {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keys
    <div role="group" aria-label={label} tabIndex={0} className="-mx-5 overflow-x-auto px-5">
      {children}
    </div>
  );
}
