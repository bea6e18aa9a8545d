import type { ReactElement } from "react";
import { formatCount } from "@/shared/format";

/** Says that a table does not have all rows of a list. */
export function OnlyFirst({ next, shown }: { next: string | null; shown: number }): ReactElement | null {
  if (!next) return null;
  return (
    <p className="mt-3 text-[12.5px] text-warn">
      Only the first {formatCount(shown)} are shown and ordered here; an export has all.
    </p>
  );
}
