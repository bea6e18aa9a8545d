import type { ReactElement } from "react";

interface ChoiceProps<Name extends string> {
  label: string;
  options: readonly (readonly [Name, string])[];
  value: Name;
  choose: (name: Name) => void;
}

/** One of a few. */
export function Choice<Name extends string>(props: ChoiceProps<Name>): ReactElement {
  const { label, options, value, choose } = props;
  return (
    <fieldset className="flex flex-wrap gap-1 rounded-lg bg-sunken p-1">
      <legend className="sr-only">{label}</legend>
      {options.map(([name, title]) => (
        <button
          key={name}
          type="button"
          aria-pressed={name === value}
          onClick={() => choose(name)}
          className="rounded-md px-2.5 py-1 text-[13px] font-medium text-soft hover:text-ink aria-pressed:bg-card aria-pressed:text-ink"
        >
          {title}
        </button>
      ))}
    </fieldset>
  );
}
