import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";

/** A screen's own parameter in the address: which tab, which column it is sorted by. Empty is none. */
export function useParam(name: string): [string | undefined, (value: string | undefined) => void] {
  const raw = useSearch({ strict: false }) as Record<string, unknown>;
  const navigate = useNavigate();
  const value = raw[name];
  const set = useCallback(
    (next: string | undefined) =>
      void navigate({
        to: ".",
        search: (previous: Record<string, unknown>) => ({ ...previous, [name]: next || undefined }),
        resetScroll: false,
      } as never),
    [navigate, name],
  );
  return [typeof value === "string" && value !== "" ? value : undefined, set];
}
