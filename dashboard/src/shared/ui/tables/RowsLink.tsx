import { Link } from "@tanstack/react-router";
import type { ReactElement, ReactNode } from "react";
import { carried, type Search } from "@/shared/search/search";
import { useSearch } from "@/shared/search/use-search";

interface RowsLinkProps {
  /** Filters besides those in force, and how the rows are sorted. */
  where?: Partial<Record<keyof Search | "order", string>>;
  title?: string;
  className?: string;
  children: ReactNode;
}

/** A figure that opens the calls it is made of. */
export function RowsLink({ where = {}, title, className = "", children }: RowsLinkProps): ReactElement {
  const { search } = useSearch();
  return (
    <Link
      to={"/explorer" as string}
      search={{ ...carried(search), ...where } as never}
      title={title ?? "Show these calls"}
      className={`underline-offset-4 hover:underline ${className}`}
    >
      {children}
    </Link>
  );
}
