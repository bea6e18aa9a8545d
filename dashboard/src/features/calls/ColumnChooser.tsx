import { type ReactElement, useRef } from "react";
import { COLUMNS } from "./columns";

interface ColumnChooserProps {
  /** The chosen columns; undefined for those there is room for. */
  chosen: readonly string[] | undefined;
  choose: (columns: readonly string[] | undefined) => void;
}

/** Which columns the table has. They are in the address, so that a view can be sent and kept. */
export function ColumnChooser({ chosen, choose }: ColumnChooserProps): ReactElement {
  const dialog = useRef<HTMLDialogElement>(null);
  const now = chosen ?? COLUMNS.filter(({ drop }) => drop !== null).map(({ id }) => id);
  const toggle = (id: string): void =>
    choose(COLUMNS.map((column) => column.id).filter((each) => (each === id) !== now.includes(each)));
  return (
    <>
      <button
        type="button"
        onClick={() => dialog.current?.showModal()}
        className="rounded-md px-2 py-0.5 text-[12.5px] font-medium text-soft hover:bg-sunken hover:text-ink"
      >
        Columns
      </button>
      <dialog
        ref={dialog}
        aria-label="Columns"
        className="card m-auto max-h-[calc(100dvh-2rem)] w-88 max-w-[calc(100vw-2rem)] p-6"
      >
        <h2 className="text-[15px] font-semibold">Columns</h2>
        <p className="mt-0.5 text-[13px] text-soft">
          Cost is always there. On a phone a call takes two lines.
        </p>
        <ul className="mt-4 grid grid-cols-2 gap-x-4 gap-y-1.5">
          {COLUMNS.map(({ id, title, hint }) => (
            <li key={id}>
              <label className="flex items-center gap-2 text-[13.5px]" title={hint}>
                <input
                  type="checkbox"
                  checked={now.includes(id) || id === "cost"}
                  disabled={id === "cost"}
                  onChange={() => toggle(id)}
                  className="size-4 accent-[var(--accent)]"
                />
                {title}
              </label>
            </li>
          ))}
        </ul>
        <div className="mt-5 flex justify-end gap-2">
          <button
            type="button"
            onClick={() => choose(undefined)}
            className="rounded-lg px-3 py-1.5 text-[13.5px] font-medium text-soft hover:bg-sunken"
          >
            As fits the window
          </button>
          <button
            type="button"
            onClick={() => dialog.current?.close()}
            className="rounded-lg bg-ink px-3 py-1.5 text-[13.5px] font-medium text-paper"
          >
            Done
          </button>
        </div>
      </dialog>
    </>
  );
}
