import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, type ReactElement, useEffect, useId, useRef, useState } from "react";
import { breakdownQuery } from "@/shared/api/queries";
import { formatCalls } from "@/shared/format";
import { DIMENSION_LABELS, DIMENSIONS, type Dimension, type Search } from "@/shared/search/search";

interface FilterPickerProps {
  search: Search;
  open: boolean;
  setOpen: (open: boolean) => void;
  pick: (name: Dimension, value: string) => void;
}

interface Option {
  key: string;
  label: string;
  note: string;
  act: () => void;
}

const VALUES_SHOWN = 50;

/** Pick a dimension, then one of the values that were really seen; type to narrow. */
export function FilterPicker({ search, open, setOpen, pick }: FilterPickerProps): ReactElement {
  const [dimension, setDimension] = useState<Dimension | null>(null);
  const [typed, setTyped] = useState("");
  const [cursor, setCursor] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const listId = useId();
  const others = { ...search };
  if (dimension !== null) delete others[dimension];
  const values = useQuery({
    ...breakdownQuery(others, dimension ?? "model", VALUES_SHOWN),
    enabled: open && dimension !== null,
  });

  const close = (): void => {
    setOpen(false);
    setDimension(null);
    setTyped("");
    setCursor(0);
    opener.current?.focus();
  };

  useEffect(() => {
    if (!open) return;
    const onPointer = (event: PointerEvent): void => {
      if (box.current !== null && !box.current.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", onPointer);
    return () => document.removeEventListener("pointerdown", onPointer);
  }, [open, setOpen]);

  const choose = (value: string): void => {
    if (dimension !== null) pick(dimension, value);
    close();
  };
  const options = dimension === null ? dimensionOptions(setDimension) : valueOptions();
  const matching = options.filter((option) =>
    option.label.toLowerCase().includes(typed.trim().toLowerCase()),
  );
  const at = Math.min(cursor, matching.length - 1);

  function valueOptions(): Option[] {
    return (values.data?.groups ?? []).map((group) => {
      const value = dimension === null ? null : (group.keys[dimension] ?? null);
      return {
        key: value ?? "",
        label: value ?? "none",
        note: formatCalls(group.sums.calls),
        act: () => choose(value ?? ""),
      };
    });
  }

  function dimensionOptions(go: (name: Dimension) => void): Option[] {
    return DIMENSIONS.map((name) => ({
      key: name,
      label: DIMENSION_LABELS[name],
      note: name,
      act: () => {
        go(name);
        setTyped("");
        setCursor(0);
      },
    }));
  }

  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      event.preventDefault();
      close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      setCursor((at + step + matching.length) % Math.max(matching.length, 1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      const option = matching[at];
      if (option) option.act();
      else if (dimension !== null && typed.trim() !== "") choose(typed.trim());
    } else if (event.key === "Backspace" && typed === "" && dimension !== null) {
      setDimension(null);
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
        <div className="card absolute top-full left-0 z-30 mt-2 w-80 overflow-hidden">
          <div className="flex items-center gap-2 border-b border-line px-3">
            {dimension !== null ? (
              <span className="text-[13px] text-soft">{DIMENSION_LABELS[dimension]}:</span>
            ) : null}
            <input
              // biome-ignore lint/a11y/noAutofocus: the field was opened to be typed into
              autoFocus
              role="combobox"
              aria-expanded="true"
              aria-controls={listId}
              aria-activedescendant={matching[at] ? `${listId}-${at}` : undefined}
              aria-label={dimension === null ? "Filter by" : `Value of ${DIMENSION_LABELS[dimension]}`}
              placeholder={dimension === null ? "Filter by…" : "Choose or type"}
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
            {matching.map((option, index) => (
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
                <span className="text-[12px] text-faint">{option.note}</span>
              </button>
            ))}
            {matching.length === 0 ? (
              <p className="px-2.5 py-3 text-[13px] text-soft">
                {values.isFetching && dimension !== null
                  ? "Looking…"
                  : typed
                    ? "Nothing seen by that name. Enter filters by it anyway."
                    : "No values in this span."}
              </p>
            ) : null}
          </div>
        </div>
      ) : null}
    </div>
  );
}
