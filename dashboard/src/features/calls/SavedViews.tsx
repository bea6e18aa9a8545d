import { type FormEvent, type ReactElement, useRef, useState } from "react";
import { removeView, type SavedView, saveView, useSavedViews, viewOf } from "./saved-views";

interface SavedViewsProps {
  show: (view: SavedView) => void;
}

/** Open a view that was kept, or keep the one that is shown. */
export function SavedViews({ show }: SavedViewsProps): ReactElement {
  const dialog = useRef<HTMLDialogElement>(null);
  const views = useSavedViews();
  const [name, setName] = useState("");
  const keep = (event: FormEvent): void => {
    event.preventDefault();
    saveView({ name: name.trim(), search: viewOf(window.location.search) });
    setName("");
    dialog.current?.close();
  };
  return (
    <>
      <button
        type="button"
        onClick={() => dialog.current?.showModal()}
        className="rounded-md px-2 py-0.5 text-[12.5px] font-medium text-soft hover:bg-sunken hover:text-ink"
      >
        Views{views.length > 0 ? ` (${views.length})` : ""}
      </button>
      <dialog ref={dialog} aria-label="Saved views" className="card m-auto w-96 max-w-[calc(100vw-2rem)] p-6">
        <h2 className="text-[15px] font-semibold">Saved views</h2>
        <p className="mt-0.5 text-[13px] text-soft">
          Span, filters, order and columns, kept in this browser.
        </p>
        <ul className="mt-3 flex flex-col gap-1">
          {views.map((view) => (
            <li key={view.name} className="flex items-center gap-2">
              <button
                type="button"
                title={`?${view.search}`}
                onClick={() => {
                  dialog.current?.close();
                  show(view);
                }}
                className="min-w-0 flex-1 truncate rounded-lg px-2.5 py-1.5 text-left text-[13.5px] hover:bg-sunken"
              >
                {view.name}
              </button>
              <button
                type="button"
                aria-label={`Remove the view ${view.name}`}
                onClick={() => removeView(view.name)}
                className="grid size-7 place-items-center rounded-full text-soft hover:bg-sunken hover:text-ink"
              >
                ×
              </button>
            </li>
          ))}
        </ul>
        <form onSubmit={keep} className="mt-3 flex items-end gap-2">
          <label className="min-w-0 flex-1 text-[13px] text-soft">
            Keep this one as
            <input
              required
              pattern=".*\S.*"
              value={name}
              onChange={({ target }) => setName(target.value)}
              className="mt-1 block w-full rounded-lg border border-line bg-sunken px-3 py-1.5 text-[14px] text-ink"
            />
          </label>
          <button
            type="submit"
            className="rounded-lg bg-ink px-3 py-1.5 text-[13.5px] font-medium text-paper"
          >
            Keep
          </button>
        </form>
        <button
          type="button"
          onClick={() => dialog.current?.close()}
          className="mt-4 text-[13.5px] font-medium text-soft underline-offset-4 hover:underline"
        >
          Close
        </button>
      </dialog>
    </>
  );
}
