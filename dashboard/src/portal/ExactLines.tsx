import type { ReactElement } from "react";
import { formatAmount } from "@/shared/amount";
import { formatExact } from "./exact-amount";
import { Scrolling } from "./Scrolling";
import type { PortalDocument } from "./types";

/** Each line before its one rounding, for whoever checks the arithmetic. */
export function ExactLines({ document }: { document: PortalDocument }): ReactElement {
  const { lines, currency } = document;
  return (
    <details className="mt-4 text-[13px]">
      <summary className="cursor-pointer font-medium text-soft hover:text-ink">Exact amounts</summary>
      <Scrolling label="Exact amounts, table">
        <table className="mt-2 w-full">
          <caption className="sr-only">Exact amounts of the lines</caption>
          <thead className="text-left text-[12.5px] text-soft">
            <tr>
              <th scope="col" className="py-1.5 font-medium">
                Line
              </th>
              <th scope="col" className="py-1.5 pl-4 text-right font-medium">
                Exactly
              </th>
              <th scope="col" className="py-1.5 pl-4 text-right font-medium">
                Rounded
              </th>
            </tr>
          </thead>
          <tbody>
            {lines.map((line) => (
              <tr key={line.line || line.title} className="border-t border-line">
                <td className="py-1.5 break-words">{line.title}</td>
                <td className="py-1.5 pl-4 text-right whitespace-nowrap" title={line.exact}>
                  {line.is_least ? "≥ " : ""}
                  {formatExact(line.exact, currency)}
                </td>
                <td className="py-1.5 pl-4 text-right whitespace-nowrap">
                  {formatAmount(line.amount, currency)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scrolling>
    </details>
  );
}
