import { type FormEvent, type ReactElement, useRef, useState } from "react";
import { presetOf, type Search, zoneOf } from "@/shared/search/search";
import type { SearchActions } from "@/shared/search/use-search";

interface CustomSpanProps {
  search: Search;
  change: SearchActions["change"];
}

/** Any span, to the minute, in the zone that is shown. */
export function CustomSpan({ search, change }: CustomSpanProps): ReactElement {
  const dialog = useRef<HTMLDialogElement>(null);
  const isCustom = presetOf(search) === undefined;
  const [since, setSince] = useState(isCustom ? written(search.since) : "");
  const [until, setUntil] = useState(isCustom ? written(search.until) : "");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    dialog.current?.close();
    change({ since: since || undefined, until: until || undefined });
  };
  const field = "mt-1 block w-full rounded-lg border border-line bg-sunken px-3 py-2 text-[14px]";
  return (
    <>
      <button
        type="button"
        aria-pressed={isCustom}
        onClick={() => dialog.current?.showModal()}
        className="rounded-[7px] px-1.5 py-1 text-[13px] sm:px-2.5 font-medium text-soft hover:text-ink aria-pressed:bg-ink aria-pressed:text-paper"
      >
        {isCustom ? `${search.since ?? "today"} – ${search.until ?? "now"}`.replaceAll("T", " ") : "Custom"}
      </button>
      <dialog ref={dialog} aria-label="Custom span" className="card m-auto w-88 p-6">
        <form onSubmit={submit}>
          <h2 className="text-[15px] font-semibold">Custom span</h2>
          <p className="mt-0.5 text-[13px] text-soft">In {zoneOf(search)}</p>
          <label className="mt-4 block text-[13px] text-soft">
            From
            <input
              type="datetime-local"
              required
              value={since}
              onChange={(event) => setSince(event.target.value)}
              className={field}
            />
          </label>
          <label className="mt-3 block text-[13px] text-soft">
            Until, empty for now
            <input
              type="datetime-local"
              value={until}
              min={since}
              onChange={(event) => setUntil(event.target.value)}
              className={field}
            />
          </label>
          <div className="mt-5 flex justify-end gap-2">
            <button
              type="button"
              onClick={() => dialog.current?.close()}
              className="rounded-lg px-3 py-1.5 text-[13.5px] font-medium text-soft hover:bg-sunken"
            >
              Cancel
            </button>
            <button
              type="submit"
              className="rounded-lg bg-ink px-3 py-1.5 text-[13.5px] font-medium text-paper"
            >
              Show
            </button>
          </div>
        </form>
      </dialog>
    </>
  );
}

function written(moment: string | undefined): string {
  return moment !== undefined && /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$/.test(moment) ? moment : "";
}
