import type { ReactElement } from "react";

/** Says on every screen of a demo that nothing on it is real. */
export function DemoNotice(): ReactElement {
  return (
    <p role="note" className="bg-warn-soft px-4 py-1.5 text-center text-[13px] font-medium text-warn sm:px-8">
      Demo data: everything here is made up.
    </p>
  );
}
