import type { ReactElement } from "react";

/** A bar behind a figure: how much of the largest it is, in thousandths. */
export function Share({ permille }: { permille: number }): ReactElement {
  return (
    <span aria-hidden="true" className="block h-1 w-full overflow-hidden rounded-full bg-sunken">
      <span
        className="block h-full rounded-full bg-(--s0)"
        style={{ width: `${Math.max(0, Math.min(permille, 1000)) / 10}%` }}
      />
    </span>
  );
}
