import { type ReactElement, type ReactNode, useId } from "react";
import type { WrongField } from "@/shared/api/wrong-fields";

const BOX =
  "mt-1 block w-full rounded-lg border bg-sunken px-3 py-2 text-[14px] text-ink placeholder:text-faint aria-invalid:border-bad border-line";

interface FieldProps {
  label: string;
  value: string;
  change: (value: string) => void;
  hint?: ReactNode;
  placeholder?: string;
  required?: boolean;
  type?: "text" | "date" | "number";
  /** What is wrong with it. */
  wrong?: readonly WrongField[];
  /** Offered while typing; anything else may be typed, too. */
  options?: readonly string[];
}

/** A labelled line of text, with what is wrong with it below. */
export function TextField(props: FieldProps): ReactElement {
  const { label, value, change, hint, wrong = [], options, type = "text", ...rest } = props;
  const id = useId();
  return (
    <div className="text-[13px] text-soft">
      <label htmlFor={id}>{label}</label>
      <input
        {...rest}
        id={id}
        type={type}
        value={value}
        autoComplete="off"
        list={options ? `${id}-options` : undefined}
        aria-invalid={wrong.length > 0 || undefined}
        aria-describedby={`${id}-hint`}
        onChange={(event) => change(event.target.value)}
        className={BOX}
      />
      {options ? (
        <datalist id={`${id}-options`}>
          {options.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
      ) : null}
      <Below id={`${id}-hint`} wrong={wrong} hint={hint} />
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  change: (value: string) => void;
  /** Value and what it means. */
  choices: readonly (readonly [string, string])[];
  hint?: ReactNode;
  wrong?: readonly WrongField[];
}

/** One of a few. */
export function Choice({ label, value, change, choices, hint, wrong = [] }: ChoiceProps): ReactElement {
  const id = useId();
  return (
    <div className="text-[13px] text-soft">
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        value={value}
        aria-invalid={wrong.length > 0 || undefined}
        aria-describedby={`${id}-hint`}
        onChange={(event) => change(event.target.value)}
        className={BOX}
      >
        {choices.map(([each, meaning]) => (
          <option key={each} value={each}>
            {meaning}
          </option>
        ))}
      </select>
      <Below id={`${id}-hint`} wrong={wrong} hint={hint} />
    </div>
  );
}

interface CheckProps {
  label: string;
  checked: boolean;
  change: (checked: boolean) => void;
}

export function Check({ label, checked, change }: CheckProps): ReactElement {
  return (
    <label className="flex items-start gap-2 text-[13px] text-soft">
      <input
        type="checkbox"
        checked={checked}
        onChange={(event) => change(event.target.checked)}
        className="mt-[3px] accent-(--accent)"
      />
      {label}
    </label>
  );
}

function Below({
  id,
  wrong,
  hint,
}: {
  id: string;
  wrong: readonly WrongField[];
  hint: ReactNode;
}): ReactElement | null {
  return (
    <div id={id} className="mt-1 min-h-0 text-[12px]">
      {wrong.length > 0
        ? wrong.map(({ field, words }) => (
            <p key={field + words} role="alert" className="text-bad">
              {words}
            </p>
          ))
        : hint}
    </div>
  );
}

interface AreaProps extends Omit<FieldProps, "type" | "options" | "required"> {
  rows?: number;
  /** YAML and filters: each letter as wide as the next. */
  mono?: boolean;
}

/** Several lines of text. */
export function TextArea(props: AreaProps): ReactElement {
  const { label, value, change, hint, wrong = [], rows = 3, mono = false, placeholder } = props;
  const id = useId();
  return (
    <div className="text-[13px] text-soft">
      <label htmlFor={id}>{label}</label>
      <textarea
        id={id}
        rows={rows}
        value={value}
        spellCheck={false}
        placeholder={placeholder}
        aria-invalid={wrong.length > 0 || undefined}
        aria-describedby={`${id}-hint`}
        onChange={(event) => change(event.target.value)}
        className={`${BOX} ${mono ? "font-mono text-[12.5px] leading-relaxed" : ""}`}
      />
      <Below id={`${id}-hint`} wrong={wrong} hint={hint} />
    </div>
  );
}
