import { type ReactElement, type ReactNode, useState } from "react";
import {
  DEFAULT_SINCE,
  type Dimension,
  filteredBy,
  labelOf,
  PRESETS,
  presetOf,
  type Search,
  valuesOf,
} from "@/shared/search/search";
import type { SearchActions } from "@/shared/search/use-search";
import { useKeyLabels } from "@/shared/ui/page/KeyName";
import { useKeys } from "@/shared/ui/page/use-keys";
import { CustomSpan } from "./CustomSpan";
import { FilterPicker } from "./FilterPicker";
import { TimeZone } from "./TimeZone";

interface FilterBarProps extends SearchActions {
  /** At the end: what is done with all of it. */
  children?: ReactNode;
}

/** Which calls: a span of time and values of dimensions. All of it is in the page's address. */
export function FilterBar({ search, change, clear, children }: FilterBarProps): ReactElement {
  const [picking, setPicking] = useState(false);
  useKeys({ "/": () => setPicking(true) });
  const active = filteredBy(search);
  return (
    <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
      <fieldset className="flex min-w-0 max-w-full items-center overflow-x-auto rounded-[10px] border border-line bg-card p-[3px]">
        <legend className="sr-only">Span of time</legend>
        {PRESETS.map((preset) => (
          <button
            key={preset.id}
            type="button"
            title={preset.title}
            aria-pressed={presetOf(search)?.id === preset.id}
            onClick={() =>
              change({
                since: preset.since === DEFAULT_SINCE ? undefined : preset.since,
                until: preset.until,
              })
            }
            className="rounded-[7px] px-1.5 py-1 text-[13px] sm:px-2.5 font-medium text-soft hover:text-ink aria-pressed:bg-ink aria-pressed:text-paper"
          >
            {preset.label}
          </button>
        ))}
        <CustomSpan key={`${search.since}${search.until}`} search={search} change={change} />
      </fieldset>
      <TimeZone search={search} change={change} />
      <span className="mx-1 hidden h-5 w-px bg-line sm:block" />
      {active.map((name) => (
        <Token key={name} name={name} search={search} remove={() => change({ [name]: undefined })} />
      ))}
      <FilterPicker
        search={search}
        open={picking}
        setOpen={setPicking}
        pick={(name, value) => change({ [name]: value })}
      />
      {active.length > 1 ? (
        <button
          type="button"
          onClick={clear}
          className="text-[13px] text-soft underline-offset-4 hover:text-ink hover:underline"
        >
          Clear
        </button>
      ) : null}
      {children}
    </div>
  );
}

interface TokenProps {
  name: Dimension;
  search: Search;
  remove: () => void;
}

function Token({ name, search, remove }: TokenProps): ReactElement {
  const label = labelOf(name);
  const keys = useKeyLabels();
  const value = valuesOf(search[name] ?? "")
    .map((each) => (name === "key" ? (keys[each] ?? each) : each) || "none")
    .join(" or ");
  return (
    <span className="flex max-w-80 items-center gap-1.5 rounded-full border border-line bg-card py-1 pr-1 pl-3 text-[13px]">
      <span className="text-soft">{label}</span>
      <span className="truncate font-medium" title={search[name]}>
        {value}
      </span>
      <button
        type="button"
        onClick={remove}
        aria-label={`Remove filter ${label}: ${value}`}
        className="grid size-5 place-items-center rounded-full text-soft hover:bg-sunken hover:text-ink"
      >
        ×
      </button>
    </span>
  );
}
