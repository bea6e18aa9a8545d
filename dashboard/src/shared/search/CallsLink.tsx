import { Link } from "@tanstack/react-router";
import type { ReactElement, ReactNode } from "react";
import { type Dimension, oneValue, type Search } from "./search";
import { useSearch } from "./use-search";

interface CallsLinkProps {
  /** What the calls have in common besides the present filters; null is "none". */
  where: Readonly<Record<string, string | null>>;
  /** A filter as it is written, where it has several values: `4xx,5xx`. */
  written?: Readonly<Record<string, string>>;
  title?: string;
  className?: string;
  children: ReactNode;
}

/** A count or an amount that opens its calls. */
export function CallsLink({
  where,
  written = {},
  title,
  className = "",
  children,
}: CallsLinkProps): ReactElement {
  const { search } = useSearch();
  return (
    <Link
      to={"/explorer" as never}
      search={{ ...searchOf(search, where), ...written } as never}
      title={title ?? "Show these calls"}
      className={`rounded underline-offset-4 hover:text-accent hover:underline ${className}`}
    >
      {children}
    </Link>
  );
}

/** The address's search with more filters; the call that is open stays behind. */
export function searchOf(search: Search, where: Readonly<Record<string, string | null>>): Search {
  const { call: _, ...kept } = search;
  const more = Object.fromEntries(
    Object.entries(where).map(([name, value]) => [name as Dimension, value === null ? "" : oneValue(value)]),
  );
  return { ...kept, ...more };
}
