import type { ReactElement } from "react";

interface DeltaProps {
  percent: string | null;
  /** What it is compared with: "yesterday by now". */
  against: string;
}

/** A change against a period before. Neutral in colour: more spend is not always bad news. */
export function Delta({ percent, against }: DeltaProps): ReactElement {
  if (percent === null) return <span className="text-faint">nothing spent {against}</span>;
  const direction = percent.startsWith("-") ? "down" : percent === "+0.0" ? "flat" : "up";
  const arrow = { up: "↑", down: "↓", flat: "→" }[direction];
  return (
    <span className="text-soft">
      <span className="font-medium text-ink">
        <span aria-hidden="true">{arrow} </span>
        <span className="sr-only">{direction} </span>
        {shorten(percent.replace(/^[+-]/, ""))} %
      </span>{" "}
      vs {against.replace(/^in /, "")}
    </span>
  );
}

function shorten(percent: string): string {
  const [whole = "0"] = percent.split(".");
  return whole.length >= 3 ? whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",") : percent;
}
