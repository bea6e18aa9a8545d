import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { type KeyboardEvent, type ReactElement, useEffect, useId, useRef, useState } from "react";
import { valuesQuery } from "@/shared/api/queries";
import type { Values } from "@/shared/api/types";
import { formatCalls } from "@/shared/format";
import {
  canBeTyped,
  DIMENSIONS,
  type Dimension,
  isDimension,
  isTag,
  labelOf,
  oneValue,
  type Search,
} from "@/shared/search/search";

interface FilterPickerProps {
  search: Search;
  open: boolean;
  setOpen: (open: boolean) => void;
  pick: (name: Dimension, filter: string) => void;
}

interface Option {
  key: string;
  label: string;
  note: string;
  act: () => void;
}

/** Type any part of any value that was seen, or choose a dimension first. */
export function FilterPicker({ search, open, setOpen, pick }: FilterPickerProps): ReactElement {
  const [dimension, setDimension] = useState<Dimension | null>(null);
  const [typed, setTyped] = useState("");
  const [cursor, setCursor] = useState(0);
  const client = useQueryClient();
  const box = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const listId = useId();
  const text = typed.trim();
  const asked = valuesQuery(search, text, dimension);
  const asks = dimension !== null || text !== "";
  const values = useQuery({
    ...asked,
    enabled: open && asks,
    placeholderData: keepPreviousData,
  });

  const close = (): void => {
    setOpen(false);
    opener.current?.focus();
  };
  const go = (name: Dimension | null): void => {
    setDimension(name);
    setTyped("");
    setCursor(0);
  };
  useEffect(() => {
    if (!open) return;
    setDimension(null);
    setTyped("");
    setCursor(0);
    const onPointer = (event: PointerEvent): void => {
      if (box.current !== null && !box.current.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", onPointer);
    return () => document.removeEventListener("pointerdown", onPointer);
  }, [open, setOpen]);

  const choose = (name: Dimension, filter: string): void => {
    pick(name, filter);
    close();
  };
  const optionsOf = (found: Values | undefined): Option[] => {
    const seen = asks ? valueOptions(found, text, dimension, choose) : [];
    if (dimension !== null) return seen;
    const [named, others] = dimensionOptions(text, go);
    return [...named, ...seen, ...others];
  };
  const waiting = values.isFetching && values.isPlaceholderData;
  const options = optionsOf(values.isFetching && values.data === undefined ? undefined : values.data);
  const at = Math.min(cursor, options.length - 1);
  const free = dimension !== null && canBeTyped(dimension, text) ? dimension : null;

  /** Enter means what is typed, also where its values have not come yet. */
  const enter = async (): Promise<void> => {
    if (options[at]) return options[at].act();
    if (dimension === null && text === "") return;
    const found = await client.fetchQuery({ ...asked, staleTime: 10_000 }).catch(() => undefined);
    const first = optionsOf(found)[0];
    if (first) first.act();
    else if (free !== null) choose(free, text);
  };

  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      event.preventDefault();
      close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      setCursor((at + step + options.length) % Math.max(options.length, 1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      void enter();
    } else if (event.key === "Backspace" && typed === "" && dimension !== null) {
      go(null);
    }
  };

  return (
    <div ref={box} className="relative">
      <button
        ref={opener}
        type="button"
        aria-expanded={open}
        onClick={() => (open ? close() : setOpen(true))}
        className="flex items-center gap-2 rounded-full border border-dashed border-line py-1 pr-2 pl-3 text-[13px] font-medium text-soft hover:border-faint hover:text-ink"
      >
        Filter <kbd className="rounded bg-sunken px-1.5 font-mono text-[11px] text-faint">/</kbd>
      </button>
      {open ? (
        <div className="card absolute top-full left-0 z-30 mt-2 w-80 max-w-[calc(100vw-2rem)] overflow-hidden">
          <div className="flex items-center gap-2 border-b border-line px-3">
            {dimension !== null ? <span className="text-[13px] text-soft">{labelOf(dimension)}:</span> : null}
            <input
              // biome-ignore lint/a11y/noAutofocus: the field was opened to be typed into
              autoFocus
              role="combobox"
              aria-expanded="true"
              aria-controls={listId}
              aria-activedescendant={options[at] ? `${listId}-${at}` : undefined}
              aria-label={dimension === null ? "Filter by" : `Value of ${labelOf(dimension)}`}
              placeholder={dimension === null ? "Model, app, user, key…" : "Choose or type"}
              value={typed}
              onChange={(event) => {
                setTyped(event.target.value);
                setCursor(0);
              }}
              onKeyDown={onKey}
              className="min-w-0 flex-1 bg-transparent py-2.5 text-[14px] outline-none placeholder:text-faint"
            />
          </div>
          <div id={listId} role="listbox" aria-label="Choices" className="max-h-72 overflow-y-auto p-1.5">
            {options.map((option, index) => (
              <button
                key={option.key}
                id={`${listId}-${index}`}
                type="button"
                role="option"
                tabIndex={-1}
                aria-selected={index === at}
                onClick={option.act}
                onPointerMove={() => setCursor(index)}
                className="flex w-full items-baseline gap-3 rounded-lg px-2.5 py-1.5 text-left text-[13.5px] aria-selected:bg-sunken"
              >
                <span className="min-w-0 flex-1 truncate">{option.label}</span>
                <span className="text-[12px] whitespace-nowrap text-faint">{option.note}</span>
              </button>
            ))}
            <Hint
              text={hintOf(values.error, values.isFetching || waiting, options.length === 0, free, text)}
            />
            {values.data?.truncated && text !== "" && options.length > 0 ? (
              <Hint text="There are more. Type more of the value to find them." />
            ) : null}
          </div>
        </div>
      ) : null}
    </div>
  );
}

function Hint({ text }: { text: string | null }): ReactElement | null {
  return text === null ? null : <p className="px-2.5 py-2 text-[13px] text-soft">{text}</p>;
}

function hintOf(
  error: Error | null,
  looking: boolean,
  nothing: boolean,
  free: Dimension | null,
  text: string,
): string | null {
  if (error !== null) return error.message;
  if (!nothing) return null;
  if (looking) return "Looking…";
  if (text === "") return "No calls in this span.";
  const seen = `“${text}” is in nothing that was seen in this span.`;
  return free === null ? seen : `${seen} Enter filters by it anyway.`;
}

/** The dimensions that are called what is typed, and those that may become so: values go between them. */
function dimensionOptions(text: string, go: (name: Dimension) => void): [Option[], Option[]] {
  const wanted = text.toLowerCase();
  const names = (name: Dimension): string[] => [name, labelOf(name).toLowerCase()];
  const option = (name: Dimension): Option => ({
    key: `dimension ${name}`,
    label: `${labelOf(name)}…`,
    note: text === "" ? "" : "choose a value",
    act: () => go(name),
  });
  const tag: Dimension[] = isTag(wanted) ? [wanted] : [];
  const begun = [...DIMENSIONS, ...tag].filter((name) => names(name).some((each) => each.startsWith(wanted)));
  const named = begun.filter((name) => names(name).includes(wanted));
  return [named.map(option), begun.filter((name) => !named.includes(name)).map(option)];
}

/** The values that contain what is typed now; an earlier response is narrowed until the new one arrives. */
function valueOptions(
  found: Values | undefined,
  text: string,
  dimension: Dimension | null,
  choose: (name: Dimension, filter: string) => void,
): Option[] {
  const wanted = text.toLowerCase();
  const whole = (value: string): number => (value.toLowerCase() === wanted ? 0 : 1);
  const values = [...(found?.values ?? [])].sort((a, b) => whole(a.value) - whole(b.value));
  return values.flatMap(({ dimension: name, value, label, calls }) => {
    if (!isDimension(name) || (dimension !== null && name !== dimension)) return [];
    const shown = label === null ? value || "none" : `${label} ${value}`;
    if (!shown.toLowerCase().includes(wanted)) return [];
    const note = dimension === null ? labelOf(name) : formatCalls(calls);
    return [{ key: `${name} ${value}`, label: shown, note, act: () => choose(name, oneValue(value)) }];
  });
}
