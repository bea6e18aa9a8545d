import type { ReactElement, ReactNode } from "react";
import { ErrorNotice } from "@/shared/ui/page/ErrorNotice";

interface AskedProps<T> {
  query: {
    data: T | undefined;
    error: Error | null;
    isPlaceholderData: boolean;
    refetch: () => unknown;
  };
  /** How high the place of the figures is, as a class. */
  height: string;
  children: (data: T) => ReactNode;
}

/** Pending, error, data; figures of another question are dimmed. */
export function Asked<T>({ query, height, children }: AskedProps<T>): ReactElement {
  if (query.error !== null) return <ErrorNotice error={query.error} retry={() => void query.refetch()} />;
  if (query.data === undefined) return <div aria-busy="true" className={`skeleton ${height}`} />;
  return (
    <div
      aria-busy={query.isPlaceholderData}
      className={`settle flex min-w-0 flex-col gap-6 ${query.isPlaceholderData ? "dimmed" : ""}`}
    >
      {children(query.data)}
    </div>
  );
}
