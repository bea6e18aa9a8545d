/** What a screen keeps in the address beside the span and the filters: the open row, the tab, the order. */

import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";

export type Address = Readonly<Record<string, string | undefined>>;

export function useAddress(): [Address, (changes: Address) => void] {
  const raw = useSearch({ strict: false }) as Address;
  const navigate = useNavigate();
  const change = useCallback(
    (changes: Address) => {
      void navigate({
        to: ".",
        search: (previous: Record<string, unknown>) => ({ ...previous, ...changes }),
        resetScroll: false,
      } as never);
    },
    [navigate],
  );
  return [raw, change];
}
