import type { ReactElement } from "react";

interface ViewSwitchProps {
  asTable: boolean;
  onChange: (asTable: boolean) => void;
}

/** Chart or table: every chart can be read as text. */
export function ViewSwitch({ asTable, onChange }: ViewSwitchProps): ReactElement {
  return (
    <button
      type="button"
      aria-pressed={asTable}
      onClick={() => onChange(!asTable)}
      className="rounded-md px-2 py-0.5 text-[12px] font-medium text-soft hover:bg-sunken hover:text-ink"
    >
      {asTable ? "Chart" : "Table"}
    </button>
  );
}
