import { type FormEvent, type ReactElement, useId, useRef, useState } from "react";
import { type Search, zoneOf } from "@/shared/search/search";
import type { SearchActions } from "@/shared/search/use-search";

interface TimeZoneProps {
  search: Search;
  change: SearchActions["change"];
}

/** Whose days and hours are shown: this browser's, UTC's, or any other zone's. */
export function TimeZone({ search, change }: TimeZoneProps): ReactElement {
  const dialog = useRef<HTMLDialogElement>(null);
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const [typed, setTyped] = useState("");
  const [wrong, setWrong] = useState(false);
  const listId = useId();
  const choose = (tz: string | undefined): void => {
    dialog.current?.close();
    change({ tz });
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const zone = zoneCalled(typed);
    setWrong(zone === undefined);
    if (zone !== undefined) choose(zone === own ? undefined : zone);
  };
  return (
    <>
      <button
        type="button"
        title="Days begin and end in this zone. Choose another."
        aria-label={`Time zone: ${zoneOf(search)}. Choose another.`}
        onClick={() => dialog.current?.showModal()}
        className="rounded-md px-1 text-[12.5px] text-soft underline-offset-4 hover:text-ink hover:underline"
      >
        {zoneOf(search)}
      </button>
      <dialog ref={dialog} aria-label="Time zone" className="card m-auto w-88 max-w-[calc(100vw-2rem)] p-6">
        <h2 className="text-[15px] font-semibold">Time zone</h2>
        <p className="mt-0.5 text-[13px] text-soft">Days, hours and budgets' clocks are shown in it.</p>
        <div className="mt-4 flex flex-wrap gap-2">
          {[...new Set([own, "UTC"])].map((zone) => (
            <button
              key={zone}
              type="button"
              aria-pressed={zoneOf(search) === zone}
              onClick={() => choose(zone === own ? undefined : zone)}
              className="rounded-lg border border-line px-3 py-1.5 text-[13.5px] font-medium hover:bg-sunken aria-pressed:bg-ink aria-pressed:text-paper"
            >
              {zone}
            </button>
          ))}
        </div>
        <form onSubmit={submit} className="mt-4">
          <label className="block text-[13px] text-soft">
            Another zone
            <input
              list={listId}
              required
              value={typed}
              placeholder="Europe/Berlin"
              aria-invalid={wrong}
              onChange={(event) => {
                setTyped(event.target.value);
                setWrong(false);
              }}
              className="mt-1 block w-full rounded-lg border border-line bg-sunken px-3 py-2 text-[14px] text-ink"
            />
          </label>
          <datalist id={listId}>
            {Intl.supportedValuesOf("timeZone").map((zone) => (
              <option key={zone} value={zone} />
            ))}
          </datalist>
          {wrong ? (
            <p role="alert" className="mt-1.5 text-[13px] text-bad">
              There is no zone “{typed}”. Choose one of the list, such as Europe/Berlin.
            </p>
          ) : null}
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

/** Return the zone that is called so, whatever the case; undefined where there is none. */
export function zoneCalled(name: string): string | undefined {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name.trim() }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}
