import type { ReactElement, ReactNode } from "react";

interface DeltaProps {
  percent: string | null;
  /** What it is compared with: "yesterday by now". */
  against: string;
  /** What it was: said instead of a percentage of thousands. */
  before?: ReactNode;
}

const PERCENT_MAX = 1_000;

/** A change against a period before. Neutral in colour: more spend is not always bad news. */
export function Delta({ percent, against, before }: DeltaProps): ReactElement {
  if (percent === null) return <span className="text-soft">nothing spent {against}</span>;
  const versus = against.replace(/^in /, "");
  if (before !== undefined && Math.abs(Number(percent)) >= PERCENT_MAX) {
    return (
      <span className="text-soft">
        was <span className="font-medium text-ink">{before}</span> {against}
      </span>
    );
  }
  const direction = percent.startsWith("-") ? "down" : percent === "+0.0" ? "flat" : "up";
  const arrow = { up: "↑", down: "↓", flat: "→" }[direction];
  return (
    <span className="text-soft">
      <span className="font-medium text-ink">
        <span aria-hidden="true">{arrow} </span>
        <span className="sr-only">{direction} </span>
        {percent.replace(/^[+-]/, "")} %
      </span>{" "}
      vs {versus}
    </span>
  );
}
