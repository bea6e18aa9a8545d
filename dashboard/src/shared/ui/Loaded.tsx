import { createContext, type ReactElement, useContext } from "react";
import { ErrorNotice } from "./ErrorNotice";

/** Whether the server has stopped sending events, so that the figures shown are old. */
export const OutOfDate = createContext(false);

interface Asked<T> {
  data: T | undefined;
  error: Error | null;
  /** The data is the answer to an earlier question: another span, other filters. */
  isPlaceholderData: boolean;
  refetch: () => unknown;
}

interface LoadedProps<T> {
  query: Asked<T>;
  /** What stands where the figures will be. */
  skeleton: ReactElement;
  className?: string;
  /** Where an error stands, in a card that lets its content reach the edges. */
  noticeClassName?: string;
  children: (data: T) => ReactElement;
}

/** Pending, error, data. Figures that do not belong to their label, or are not current, are dimmed. */
export function Loaded<T>(props: LoadedProps<T>): ReactElement {
  const { query, skeleton, className = "", noticeClassName = "", children } = props;
  const outOfDate = useContext(OutOfDate);
  const { data, error } = query;
  const retry = (): void => void query.refetch();
  const notice = (brief: boolean): ReactElement | null =>
    error && (
      <div className={noticeClassName}>
        <ErrorNotice error={error} retry={retry} brief={brief} />
      </div>
    );
  if (data === undefined) return notice(false) ?? skeleton;
  const dimmed = query.isPlaceholderData || error !== null || outOfDate;
  return (
    <>
      {outOfDate ? null : notice(true)}
      <div aria-busy={dimmed} className={`settle ${dimmed ? "dimmed" : ""} ${className}`}>
        {children(data)}
      </div>
    </>
  );
}
