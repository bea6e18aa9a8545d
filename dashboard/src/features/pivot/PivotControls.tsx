import { type ReactElement, useId, useState } from "react";
import { DIMENSIONS } from "@/shared/search/dimensions";
import { type Dimension, labelOf } from "@/shared/search/search";
import { NAMES_MAX, OFFERED, type PivotChoice } from "./choice";

interface PivotControlsProps {
  choice: PivotChoice;
  change: (changes: Record<string, string | undefined>) => void;
}

/** Rows, columns and measure of the table. */
export function PivotControls({ choice, change }: PivotControlsProps): ReactElement {
  const { rows, columns } = choice;
  return (
    <div className="flex flex-wrap items-start gap-x-6 gap-y-3">
      <Names
        label="Rows"
        names={rows}
        taken={columns}
        least={1}
        change={(names) => change({ rows: names.join(",") || undefined, limit: undefined })}
      />
      <button
        type="button"
        title="Swap rows and columns"
        aria-label="Swap rows and columns"
        disabled={columns.length === 0}
        onClick={() => change({ rows: columns.join(","), columns: rows.join(","), limit: undefined })}
        className="mt-6 rounded-lg px-2 py-1 text-soft hover:bg-sunken hover:text-ink disabled:opacity-40"
      >
        ⇄
      </button>
      <Names
        label="Columns"
        names={columns}
        taken={rows}
        least={0}
        change={(names) => change({ columns: names.join(",") || undefined, columns_limit: undefined })}
      />
      <MeasureSelect measure={choice.measure} change={(measure) => change({ measure })} />
    </div>
  );
}

function MeasureSelect({
  measure,
  change,
}: {
  measure: string;
  change: (name: string) => void;
}): ReactElement {
  const id = useId();
  return (
    <div className="text-[12.5px] text-soft">
      <label htmlFor={id}>Measure</label>
      <select
        id={id}
        value={measure}
        onChange={(event) => change(event.target.value)}
        className="mt-1 block max-w-64 rounded-lg border border-line bg-card px-2.5 py-1.5 text-[13.5px] text-ink"
      >
        {OFFERED.map(({ name, title }) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </select>
    </div>
  );
}

interface NamesProps {
  label: string;
  names: readonly string[];
  taken: readonly string[];
  least: number;
  change: (names: string[]) => void;
}

/** Dimensions in their order: take one away, add another, any tag among them. */
function Names({ label, names, taken, least, change }: NamesProps): ReactElement {
  const [typing, setTyping] = useState(false);
  const id = useId();
  const free = DIMENSIONS.filter((name) => !names.includes(name) && !taken.includes(name));
  const add = (name: string): void => {
    setTyping(false);
    if (name !== "" && !names.includes(name) && !taken.includes(name)) change([...names, name]);
  };
  return (
    <fieldset className="min-w-0">
      <legend className="text-[12.5px] text-soft">{label}</legend>
      <div className="mt-1 flex flex-wrap items-center gap-1.5">
        {names.map((name) => (
          <span
            key={name}
            className="flex items-center gap-1 rounded-full border border-line bg-card py-1 pr-1 pl-3 text-[13px] font-medium"
          >
            {labelOf(name as Dimension)}
            {names.length > least ? (
              <button
                type="button"
                aria-label={`Remove ${labelOf(name as Dimension)} from the ${label.toLowerCase()}`}
                onClick={() => change(names.filter((each) => each !== name))}
                className="grid size-5 place-items-center rounded-full text-soft hover:bg-sunken hover:text-ink"
              >
                ×
              </button>
            ) : (
              <span className="w-1.5" />
            )}
          </span>
        ))}
        {names.length >= NAMES_MAX ? null : typing ? (
          <TagField add={(tag) => add(tag)} />
        ) : (
          <>
            <label htmlFor={id} className="sr-only">
              Add to the {label.toLowerCase()}
            </label>
            <select
              id={id}
              value=""
              onChange={(event) => (event.target.value === "tag" ? setTyping(true) : add(event.target.value))}
              className="rounded-full border border-dashed border-line bg-transparent px-2.5 py-1 text-[13px] text-soft"
            >
              <option value="">Add…</option>
              {free.map((name) => (
                <option key={name} value={name}>
                  {labelOf(name)}
                </option>
              ))}
              <option value="tag">A tag…</option>
            </select>
          </>
        )}
      </div>
    </fieldset>
  );
}

function TagField({ add }: { add: (name: string) => void }): ReactElement {
  const [text, setText] = useState("");
  const done = (): void => add(text.trim() === "" ? "" : `tag.${text.trim().toLowerCase()}`);
  return (
    <input
      // biome-ignore lint/a11y/noAutofocus: it stands where the list was from which it was chosen
      autoFocus
      aria-label="Name of the tag"
      placeholder="feature"
      value={text}
      onChange={(event) => setText(event.target.value)}
      onBlur={done}
      onKeyDown={(event) => {
        if (event.key === "Enter") done();
        if (event.key === "Escape") add("");
      }}
      className="w-32 rounded-full border border-line bg-card px-3 py-1 text-[13px] text-ink"
    />
  );
}
