import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, type ReactElement, useEffect, useId, useRef, useState } from "react";
import { valuesQuery } from "@/shared/api/queries";
import type { Value } from "@/shared/api/types";
import { type Dimension, isDimension, labelOf, oneValue, type Search } from "@/shared/search/search";

export interface Command {
  group: string;
  label: string;
  /** At the right: a key, or what it writes into the address. */
  note: string;
  act: () => void;
}

interface CommandPaletteProps {
  search: Search;
  open: boolean;
  close: () => void;
  commands: readonly Command[];
  pick: (name: Dimension, filter: string) => void;
  /** What the values are called: where picking one leads. */
  destination: string;
}

const VALUES_MAX = 12;

/** One field for everything: screens, spans, commands, and every value that was seen. */
export function CommandPalette(props: CommandPaletteProps): ReactElement {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (props.open && !dialog.current?.open) dialog.current?.showModal();
    if (!props.open && dialog.current?.open) dialog.current.close();
  }, [props.open]);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes every dialog
    <dialog
      ref={dialog}
      onClose={props.close}
      onClick={(event) => event.target === dialog.current && props.close()}
      aria-label="Search and commands"
      className="card mx-auto mt-[12vh] w-[min(36rem,calc(100vw-2rem))] overflow-hidden p-0"
    >
      {props.open ? <Choices {...props} /> : null}
    </dialog>
  );
}

function Choices({ search, close, commands, pick, destination }: CommandPaletteProps): ReactElement {
  const [typed, setTyped] = useState("");
  const [cursor, setCursor] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const listId = useId();
  const text = typed.trim();
  const values = useQuery({
    ...valuesQuery(search, text, null),
    enabled: text !== "",
    placeholderData: keepPreviousData,
  });
  const found = text === "" ? [] : valueCommands(values.data?.values ?? [], text, destination, pick);
  const options = [...fitting(commands, text), ...found];
  const at = Math.min(cursor, options.length - 1);
  const act = (option: Command | undefined): void => {
    if (option === undefined) return;
    close(); // first: a command may open another dialog
    option.act();
  };
  useEffect(() => {
    list.current?.querySelector(`[id="${listId}-${at}"]`)?.scrollIntoView?.({ block: "nearest" });
  }, [at, listId]);
  const onKey = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) setCursor((at + step + options.length) % Math.max(options.length, 1));
    else if (event.key === "Enter") act(options[at]);
    else return;
    event.preventDefault();
  };
  return (
    <>
      <input
        // biome-ignore lint/a11y/noAutofocus: the field was opened to be typed into
        autoFocus
        role="combobox"
        aria-expanded="true"
        aria-controls={listId}
        aria-activedescendant={options[at] ? `${listId}-${at}` : undefined}
        aria-label="Find a screen, a command or a value"
        placeholder="Screen, command, model, app, user, tag…"
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value);
          setCursor(0);
        }}
        onKeyDown={onKey}
        className="w-full border-b border-line bg-transparent px-4 py-3.5 text-[15px] outline-none placeholder:text-faint"
      />
      <div
        ref={list}
        id={listId}
        role="listbox"
        aria-label="Choices"
        className="max-h-[50vh] overflow-y-auto p-2"
      >
        {options.map((option, index) => (
          <div key={`${option.group} ${option.label} ${option.note}`}>
            {option.group === options[index - 1]?.group ? null : (
              <p aria-hidden="true" className="px-2.5 pt-2 pb-1 text-[11.5px] font-medium text-faint">
                {option.group}
              </p>
            )}
            <button
              id={`${listId}-${index}`}
              type="button"
              role="option"
              tabIndex={-1}
              aria-selected={index === at}
              onClick={() => act(option)}
              onPointerMove={() => setCursor(index)}
              className="flex w-full items-baseline gap-3 rounded-lg px-2.5 py-1.5 text-left text-[13.5px] aria-selected:bg-sunken"
            >
              <span className="min-w-0 flex-1 truncate">{option.label}</span>
              <span className="text-[12px] whitespace-nowrap text-faint">{option.note}</span>
            </button>
          </div>
        ))}
        {options.length === 0 ? (
          <p role="status" className="px-2.5 py-3 text-[13px] text-soft">
            {values.isFetching ? "Looking…" : (values.error?.message ?? `Nothing here is called “${text}”.`)}
          </p>
        ) : null}
      </div>
    </>
  );
}

/** The commands in which every typed word begins a word; all of them before anything is typed. */
export function fitting(commands: readonly Command[], text: string): Command[] {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  return commands.filter(({ label, group }) => {
    const words = `${group} ${label}`.toLowerCase().split(/[\s'’]+/);
    return wanted.every((each) => words.some((word) => word.startsWith(each)));
  });
}

function valueCommands(
  values: readonly Value[],
  text: string,
  group: string,
  pick: CommandPaletteProps["pick"],
): Command[] {
  const wanted = text.toLowerCase();
  return values
    .flatMap(({ dimension, value, label }) => {
      const shown = label === null ? value || "none" : `${label} ${value}`;
      if (!isDimension(dimension) || !shown.toLowerCase().includes(wanted)) return [];
      const act = (): void => pick(dimension, oneValue(value));
      return [{ group, label: shown, note: labelOf(dimension), act }];
    })
    .slice(0, VALUES_MAX);
}
