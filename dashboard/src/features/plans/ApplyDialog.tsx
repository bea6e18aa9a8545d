import { useMutation } from "@tanstack/react-query";
import { type ReactElement, useId, useRef, useState } from "react";
import { TERMS } from "@/shared/api/billing-queries";
import type { Changes } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { wrongFields } from "@/shared/api/wrong-fields";
import { Modal, Refusal } from "@/shared/ui/dialogs/Modal";
import { MainButton, SideButton } from "@/shared/ui/forms/buttons";
import { ChangeList } from "./ChangeList";
import { applyTerms, previewTerms } from "./changes";

export const TEMPLATE = `customers:
  acme: {name: Acme Inc., currency: USD, timezone: America/New_York}
plans:
  pro:
    base: "20.00"
    charges:
      - {name: Usage, meter: cost, markup_percent: "20"}
subscriptions:
  - {customer: acme, plan: pro, start: 2026-11-01}
`;

interface ApplyDialogProps {
  title: string;
  start: string;
  close: () => void;
}

/** Customers, plans and subscriptions as YAML: what it changes is shown before it is stored. */
export function ApplyDialog({ title, start, close }: ApplyDialogProps): ReactElement {
  const [text, setText] = useState(start);
  const box = useRef<HTMLTextAreaElement>(null);
  const id = useId();
  const preview = useMutation({ mutationFn: previewTerms });
  const apply = useChange(applyTerms, TERMS, close);
  const error = apply.error ?? preview.error;
  const wrong = wrongFields(error);
  const shown: Changes | undefined = error === null ? preview.data : undefined;
  const edit = (written: string): void => {
    setText(written);
    preview.reset();
    apply.reset();
  };
  const goTo = (line: number): void => {
    const before = text.split("\n").slice(0, line - 1);
    const at = before.reduce((sum, each) => sum + each.length + 1, 0);
    const end = text.indexOf("\n", at);
    box.current?.focus();
    box.current?.setSelectionRange(at, end < 0 ? text.length : end);
  };
  return (
    <Modal title={title} close={close} wide>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (shown) apply.mutate(text);
          else preview.mutate(text);
        }}
      >
        <label htmlFor={id} className="mt-2 block text-[13px] text-soft">
          Customers, plans and subscriptions, as in farebox.yaml. What is not named stays as it is.
        </label>
        <textarea
          ref={box}
          id={id}
          rows={16}
          value={text}
          spellCheck={false}
          wrap="off"
          aria-invalid={wrong.length > 0 || undefined}
          onChange={(event) => edit(event.target.value)}
          className="mt-2 block w-full rounded-lg border border-line bg-sunken px-3 py-2 font-mono text-[12.5px] leading-relaxed text-ink"
        />
        {wrong.length > 0 ? (
          <div role="alert" className="mt-3 rounded-lg bg-bad-soft px-3 py-2 text-[13px] text-bad">
            <ul className="flex flex-col gap-1">
              {wrong.map(({ line, field, words }) => (
                <li key={`${line} ${field} ${words}`}>
                  {line > 0 ? (
                    <button
                      type="button"
                      className="font-medium underline underline-offset-2"
                      onClick={() => goTo(line)}
                    >
                      Line {line}
                    </button>
                  ) : null}{" "}
                  {field ? <span className="font-mono text-[12px]">{field}</span> : null} {words}
                </li>
              ))}
            </ul>
          </div>
        ) : (
          <Refusal error={error} />
        )}
        <section aria-label="What it changes" aria-live="polite">
          {shown ? <ChangeList found={shown} /> : null}
        </section>
        <div className="sticky -bottom-6 -mx-6 mt-5 -mb-6 flex flex-wrap justify-end gap-2 border-t border-line bg-card px-6 py-4">
          <SideButton onClick={close}>Cancel</SideButton>
          {shown ? (
            <MainButton type="submit" disabled={apply.isPending || !changesAnything(shown)}>
              {apply.isPending ? "Working…" : "Apply"}
            </MainButton>
          ) : (
            <MainButton type="submit" disabled={preview.isPending || text.trim() === ""}>
              {preview.isPending ? "Working…" : "Show what it changes"}
            </MainButton>
          )}
        </div>
      </form>
    </Modal>
  );
}

function changesAnything({ changes }: Changes): boolean {
  return changes.some(({ action }) => action !== "same");
}
