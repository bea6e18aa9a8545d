import { type ReactElement, type ReactNode, useEffect, useId } from "react";

interface SidePanelProps {
  title: ReactNode;
  close: () => void;
  children: ReactNode;
}

/** What is open beside a table: a column of its own where there is room, a sheet at the bottom where not. */
export function SidePanel({ title, close, children }: SidePanelProps): ReactElement {
  const id = useId();
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      if (document.querySelector("dialog[open]") === null) close();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [close]);
  return (
    <aside
      aria-labelledby={id}
      className="card fixed inset-x-3 bottom-3 z-20 max-h-[80vh] min-w-0 overflow-y-auto p-5 lg:sticky lg:inset-auto lg:top-20 lg:max-h-[calc(100vh-6rem)] lg:self-start"
    >
      <div className="mb-3 flex items-start justify-between gap-3">
        <h2 id={id} className="min-w-0 text-[15px] font-semibold tracking-tight break-words">
          {title}
        </h2>
        <button
          type="button"
          onClick={close}
          title="Esc closes it, too"
          className="-mt-1 -mr-2 rounded-md px-2 py-1 text-[12px] text-soft hover:bg-sunken hover:text-ink"
        >
          Close
        </button>
      </div>
      {children}
    </aside>
  );
}

/** A table, and what is open of it beside. */
export function WithPanel({ panel, children }: { panel: ReactNode; children: ReactNode }): ReactElement {
  return (
    <div className={`grid min-w-0 gap-6 ${panel ? "lg:grid-cols-[minmax(0,1fr)_400px]" : "grid-cols-1"}`}>
      <div className="min-w-0">{children}</div>
      {panel}
    </div>
  );
}

interface FactsProps {
  rows: readonly (readonly [string, ReactNode])[];
}

/** Labels and what they stand for; what is empty is left out. */
export function Facts({ rows }: FactsProps): ReactElement {
  return (
    <dl className="grid grid-cols-[7.5rem_minmax(0,1fr)] gap-x-3 gap-y-1 text-[13px]">
      {rows
        .filter(([, value]) => value !== null && value !== "" && value !== undefined)
        .map(([label, value]) => (
          <div key={label} className="contents">
            <dt className="text-soft">{label}</dt>
            <dd className="min-w-0 break-words">{value}</dd>
          </div>
        ))}
    </dl>
  );
}
