import type { Page } from "./routes";

/** What one table shows at most; a file has all rows. */
export const ROWS_MAX = 5_000;
/** How many rows a page of a list may have. */
export const PAGE = 1_000;

/** Which page is asked for. */
export interface PageAsked {
  limit: number;
  cursor: string | undefined;
}

/** The fields of a response that are lists. */
type ListOf<Response> = {
  [Name in keyof Response]: Response[Name] extends readonly unknown[] ? Name : never;
}[keyof Response];

/** Ask for a list page by page, until its end or `ROWS_MAX`; `next_cursor` says whether there are more. */
export async function allRows<Response extends Page>(
  ask: (page: PageAsked) => Promise<Response>,
  field: ListOf<Response>,
): Promise<Response> {
  const first = await ask({ limit: PAGE, cursor: undefined });
  const rows: unknown[] = [...(first[field] as readonly unknown[])];
  let next = first.next_cursor;
  while (next !== null && next !== undefined && rows.length < ROWS_MAX) {
    const page = await ask({ limit: PAGE, cursor: next });
    rows.push(...(page[field] as readonly unknown[]));
    next = page.next_cursor;
  }
  return { ...first, [field]: rows, next_cursor: next };
}
