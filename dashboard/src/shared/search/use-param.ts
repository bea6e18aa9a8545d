import { useCallback } from "react";
import { useAddress } from "./use-address";

/** A screen's own parameter in the address: which tab, which column it is sorted by. Empty is none. */
export function useParam(name: string): [string | undefined, (value: string | undefined) => void] {
  const [address, change] = useAddress();
  const set = useCallback(
    (next: string | undefined) => change({ [name]: next || undefined }),
    [change, name],
  );
  return [address[name] || undefined, set];
}
