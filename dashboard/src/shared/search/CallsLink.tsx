import type { ReactElement, ReactNode } from "react";
import { RowsLink } from "@/shared/ui/tables/RowsLink";
import { type Dimension, oneValue } from "./search";

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
  return (
    <RowsLink
      where={{ ...filtersOf(where), ...written }}
      className={`rounded hover:text-accent ${className}`}
      {...(title === undefined ? {} : { title })}
    >
      {children}
    </RowsLink>
  );
}

function filtersOf(where: Readonly<Record<string, string | null>>): Partial<Record<Dimension, string>> {
  return Object.fromEntries(
    Object.entries(where).map(([name, value]) => [name, value === null ? "" : oneValue(value)]),
  );
}
