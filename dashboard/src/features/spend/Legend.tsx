import type { ReactElement } from "react";
import type { Stack } from "./BarChart";

interface LegendProps {
  stacks: readonly Stack[];
  /** Filter by what a colour stands for; of the rest nothing can be said. */
  onPick?: (stack: Stack) => void;
}

/** What the colours of a chart stand for. */
export function Legend({ stacks, onPick }: LegendProps): ReactElement {
  return (
    <ul aria-label="Legend" className="mt-3 flex flex-wrap gap-x-4 gap-y-1 pl-[54px] text-[12.5px] text-soft">
      {stacks.map((stack) => (
        <li key={stack.label} className="min-w-0">
          {onPick && stack.value !== undefined ? (
            <button
              type="button"
              onClick={() => onPick(stack)}
              title={`Show only ${stack.label}`}
              className="flex min-h-6 max-w-52 items-center gap-1.5 hover:text-ink"
            >
              <Swatch stack={stack} />
            </button>
          ) : (
            <span className="flex min-h-6 items-center gap-1.5">
              <Swatch stack={stack} />
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}

function Swatch({ stack }: { stack: Stack }): ReactElement {
  return (
    <>
      <span className="size-2 shrink-0 rounded-full" style={{ background: stack.color }} aria-hidden="true" />
      <span className="truncate">{stack.label}</span>
    </>
  );
}
