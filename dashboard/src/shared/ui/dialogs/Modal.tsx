import { type ReactElement, type ReactNode, useEffect, useId, useRef } from "react";
import { wrongFields } from "@/shared/api/wrong-fields";
import { DangerButton, MainButton, SideButton } from "@/shared/ui/forms/buttons";

interface ModalProps {
  title: string;
  close: () => void;
  children: ReactNode;
  wide?: boolean;
}

/** The browser's own dialog, open while it is rendered. Escape closes it, and focus returns where it was. */
export function Modal({ title, close, children, wide = false }: ModalProps): ReactElement {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const opener = document.activeElement;
    if (!dialog.current?.open) dialog.current?.showModal();
    return () => {
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={id}
      onClose={close}
      className={`card m-auto max-h-[calc(100dvh-2rem)] w-[calc(100vw-2rem)] overflow-y-auto p-6 ${wide ? "max-w-3xl" : "max-w-md"}`}
    >
      <h2 id={id} className="text-[16px] font-semibold tracking-tight">
        {title}
      </h2>
      {children}
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  /** What happens, a sentence each. */
  words: readonly string[];
  /** What the button says: the deed, not "OK". */
  deed: string;
  dangerous?: boolean;
  act: () => void;
  close: () => void;
  pending: boolean;
  error: Error | null;
  /** What else has to be said: a reason, an amount. */
  children?: ReactNode;
  /** Whether what has to be said is there. */
  ready?: boolean;
}

/** Nothing that cannot be taken back is done by one click. */
export function Confirm(props: ConfirmProps): ReactElement {
  const { title, words, deed, dangerous = false, act, close, pending, error, children, ready = true } = props;
  const Deed = dangerous ? DangerButton : MainButton;
  return (
    <Modal title={title} close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (ready && !pending) act();
        }}
      >
        <div className="mt-2 flex flex-col gap-1.5 text-[13.5px] text-soft">
          {words.map((sentence) => (
            <p key={sentence}>{sentence}</p>
          ))}
        </div>
        {children}
        <Refusal error={error} />
        <div className="mt-5 flex flex-wrap justify-end gap-2">
          <SideButton onClick={close}>Cancel</SideButton>
          <Deed type="submit" disabled={pending || !ready}>
            {pending ? "Working…" : deed}
          </Deed>
        </div>
      </form>
    </Modal>
  );
}

/** Why the server refused, in its words: every mistake, each with its field. */
export function Refusal({
  error,
  told = [],
}: {
  error: Error | null;
  told?: readonly string[];
}): ReactElement | null {
  if (error === null) return null;
  const all = wrongFields(error);
  const wrong = all.filter(({ field }) => !told.includes(field));
  if (all.length > 0 && wrong.length === 0) return null; // each stands at its field
  return (
    <div role="alert" className="mt-4 rounded-lg bg-bad-soft px-3 py-2 text-[13px] text-bad">
      {wrong.length === 0 ? (
        <p>{error.message}</p>
      ) : (
        <ul className="flex flex-col gap-1">
          {wrong.map(({ field, line, words }) => (
            <li key={`${line} ${field} ${words}`}>
              {line > 0 ? <span className="font-medium">Line {line} · </span> : null}
              {field === "" ? null : <span className="font-mono text-[12px] font-medium">{field}</span>}{" "}
              {words}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
