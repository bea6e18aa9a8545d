import { Link } from "@tanstack/react-router";
import type { ReactElement, ReactNode } from "react";
import { carried, type Search } from "./search";
import { useSearch } from "./use-search";

interface BreakdownLinkProps {
  /** The dimensions that the rows are of. */
  by: readonly string[];
  /** Filters and a span in the place of those in force. */
  where?: Partial<Record<keyof Search, string>>;
  className?: string;
  children: ReactNode;
}

/** Leads from the first rows of something to the breakdown, which has more of them. */
export function BreakdownLink({ by, where, className = "", children }: BreakdownLinkProps): ReactElement {
  const { search } = useSearch();
  return (
    <Link
      to={"/breakdown" as string}
      search={{ ...(where ?? carried(search)), rows: by.join(","), limit: "200" } as never}
      className={`underline underline-offset-4 ${className}`}
    >
      {children}
    </Link>
  );
}
