import { type ReactElement, useEffect, useRef } from "react";

const KEYS: readonly [string, string][] = [
  ["Ctrl K", "Find anything: screens, commands, values"],
  ["/", "Filter"],
  ["j  k", "Next, previous call"],
  ["Enter  e", "Open it: why it cost that"],
  ["Esc", "Close it"],
  ["Space", "Pause or resume live updates"],
  ["?", "This list"],
];

interface HelpDialogProps {
  open: boolean;
  close: () => void;
  /** The screens: `g` and the key go there. */
  goTo: readonly (readonly [key: string, title: string])[];
}

/** The keys, and where the numbers come from. */
export function HelpDialog({ open, close, goTo }: HelpDialogProps): ReactElement {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open && !dialog.current?.open) dialog.current?.showModal();
    if (!open && dialog.current?.open) dialog.current?.close();
  }, [open]);
  return (
    <dialog
      ref={dialog}
      onClose={close}
      aria-label="Keyboard"
      className="card m-auto max-h-[calc(100dvh-2rem)] w-[min(34rem,calc(100vw-2rem))] p-6"
    >
      <h2 className="text-[15px] font-semibold">Keyboard</h2>
      <div className="mt-4 grid gap-x-8 gap-y-2.5 sm:grid-cols-2">
        <Keys keys={KEYS} />
        <Keys keys={goTo.map(([key, title]) => [`g ${key}`, title])} />
      </div>
      <p className="mt-5 text-[12.5px] text-faint">
        Amounts are exact: hover one to see every digit. Calls without a known price are counted, never shown
        as zero.
      </p>
      <form method="dialog" className="mt-4 text-right">
        <button type="submit" className="rounded-lg bg-ink px-3 py-1.5 text-[13.5px] font-medium text-paper">
          Close
        </button>
      </form>
    </dialog>
  );
}

function Keys({ keys }: { keys: readonly (readonly [string, string])[] }): ReactElement {
  return (
    <dl className="grid auto-rows-min grid-cols-[5rem_1fr] gap-y-2.5 text-[13.5px]">
      {keys.map(([key, meaning]) => (
        <div key={key} className="contents">
          <dt>
            <kbd className="rounded-md border border-line bg-sunken px-1.5 py-0.5 font-mono text-[12px]">
              {key}
            </kbd>
          </dt>
          <dd className="text-soft">{meaning}</dd>
        </div>
      ))}
    </dl>
  );
}
