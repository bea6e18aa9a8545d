import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { statusQuery } from "@/shared/api/queries";

/** Return the name that each API key has now, by fingerprint. */
export function useKeyLabels(): Readonly<Record<string, string>> {
  return useQuery(statusQuery).data?.key_labels ?? {};
}

/** An API key by its name, with the fingerprint beside it; by the fingerprint where it has no name. */
export function KeyName({ fingerprint }: { fingerprint: string }): ReactElement {
  const label = useKeyLabels()[fingerprint];
  if (label === undefined) return <span className="font-mono text-[12.5px]">{fingerprint}</span>;
  return (
    <span title={fingerprint}>
      {label} <span className="font-mono text-[11.5px] text-faint">{fingerprint}</span>
    </span>
  );
}
