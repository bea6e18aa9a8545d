/** What the server found wrong with something written: every mistake at once, each at its place. */

import { ApiError } from "./client";

export interface WrongField {
  /** As the API calls it: `where.customer`; empty for a mistake of the whole. */
  field: string;
  /** Of a text; 0 where it has no lines. */
  line: number;
  /** What was found and what was expected. */
  words: string;
}

/** Return each mistake that an error lists; none for an error of another kind. */
export function wrongFields(error: Error | null): WrongField[] {
  if (!(error instanceof ApiError)) return [];
  const { findings, fields, lines } = error.details;
  if (!Array.isArray(findings)) return [];
  const at = (list: unknown, index: number): string =>
    Array.isArray(list) && typeof list[index] === "string" ? list[index] : "";
  return findings.map((finding, index) => {
    const field = at(fields, index);
    return { field, line: Number(at(lines, index) || "0"), words: wordsOf(String(finding), field) };
  });
}

/** A finding without its place: `found 'x', expected y`. */
function wordsOf(finding: string, field: string): string {
  const head = field === "" ? ": found " : ` ${field}: found `;
  const start = finding.indexOf(head);
  return start < 0 ? finding : `found ${finding.slice(start + head.length)}`;
}
