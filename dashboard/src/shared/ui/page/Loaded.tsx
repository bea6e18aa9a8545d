import { createContext, type ReactElement, useContext } from "react";

/** Whether the server has stopped sending events, so that the figures shown are old. */
export const OutOfDate = createContext(false);

export interface Asked<T> {
  data: T | undefined;
  error: Error | null;
  /** The data is the answer to an earlier question: another span, other filters. */
  isPlaceholderData: boolean;
}

interface LoadedProps<T> {
  query: Asked<T>;
  /** What stands where the figures will be. */
  skeleton: ReactElement;
  className?: string;
  children: (data: T) => ReactElement;
}

/**
 * Pending, error, data. Figures that do not belong to their label, or are not current, are dimmed. What went
 * wrong is said once, above the screen.
 */
export function Loaded<T>({ query, skeleton, className = "", children }: LoadedProps<T>): ReactElement {
  const outOfDate = useContext(OutOfDate);
  const { data, error } = query;
  if (data === undefined) return error === null ? skeleton : <NotLoaded />;
  const dimmed = query.isPlaceholderData || error !== null || outOfDate;
  return (
    <div aria-busy={dimmed} className={`settle ${dimmed ? "dimmed" : ""} ${className}`}>
      {children(data)}
    </div>
  );
}

function NotLoaded(): ReactElement {
  return <p className="py-8 text-center text-[13px] text-soft">Not available: see the notice above.</p>;
}
