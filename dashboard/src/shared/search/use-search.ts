/** Read and change the span, filters and open call. Every change is an address, so Back undoes it. */

import { useNavigate, useSearch as useRouterSearch } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import { type Dimension, filteredBy, oneValue, readSearch, type Search } from "./search";

export interface SearchActions {
  search: Search;
  change: (changes: Partial<Record<keyof Search, string | undefined>>) => void;
  /** Filter by one value, or by it no more. */
  toggle: (dimension: Dimension, value: string) => void;
  clear: () => void;
}

export function useSearch(): SearchActions {
  const raw = useRouterSearch({ strict: false }) as Record<string, unknown>;
  const navigate = useNavigate();
  const search = useMemo(() => readSearch(raw), [raw]);
  const change = useCallback<SearchActions["change"]>(
    (changes) => {
      void navigate({
        to: ".",
        search: (previous: Record<string, unknown>) => ({ ...previous, ...changes }),
        resetScroll: false,
      } as never);
    },
    [navigate],
  );
  const toggle = useCallback<SearchActions["toggle"]>(
    (dimension, value) => {
      const filter = oneValue(value);
      change({ [dimension]: search[dimension] === filter ? undefined : filter });
    },
    [change, search],
  );
  const clear = useCallback(
    () => change(Object.fromEntries(filteredBy(search).map((name) => [name, undefined]))),
    [change, search],
  );
  return { search, change, toggle, clear };
}
