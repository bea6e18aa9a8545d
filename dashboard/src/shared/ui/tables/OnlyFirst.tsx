import type { ReactElement } from "react";
import { ROWS_MAX } from "@/shared/api/all-rows";
import { formatCount } from "@/shared/format";
import type { Exported } from "./ExportMenu";

interface OnlyFirstProps {
  /** Where the list goes on. */
  next: string | null | undefined;
  /** The file that has all of it. */
  exported: Exported;
}

/** Says that a table does not have all rows of a list, and where they are. */
export function OnlyFirst({ next, exported }: OnlyFirstProps): ReactElement | null {
  if (!next) return null;
  return (
    <p className="mt-3 text-[12.5px] text-warn">
      Only the first {formatCount(ROWS_MAX)} are shown and ordered here.{" "}
      <a href={exported.href("csv")} download className="font-medium underline underline-offset-4">
        All {exported.what} as CSV
      </a>
    </p>
  );
}
