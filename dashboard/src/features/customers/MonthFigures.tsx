import type { ReactElement, ReactNode } from "react";
import { picoOf } from "@/shared/amount";
import type { MarginRow } from "@/shared/api/types";
import { formatCalls, formatCount } from "@/shared/format";
import { Money } from "@/shared/ui/figures/Money";
import { Charged, MarginFigure } from "./CustomerTable";

interface MonthFiguresProps {
  now: MarginRow | undefined;
  before: MarginRow | undefined;
}

/** A customer's month: what it cost, what was charged, what is left; each beside the month before. */
export function MonthFigures({ now, before }: MonthFiguresProps): ReactElement {
  if (now === undefined) {
    return (
      <p className="text-[13.5px] text-soft">No billing period of this customer begins in this month.</p>
    );
  }
  const was = (figure: ReactNode): ReactNode => (before === undefined ? "nothing before" : <>was {figure}</>);
  return (
    <dl className="grid grid-cols-2 gap-x-6 gap-y-4 sm:grid-cols-4">
      <Figure
        label="Cost"
        note={was(before && <Money pico={picoOf(before.cost_usd)} atLeast={before.unpriced_calls > 0} />)}
      >
        <Money pico={picoOf(now.cost_usd)} atLeast={now.unpriced_calls > 0} />
      </Figure>
      <Figure label="Charged" note={was(<Charged now={before} />)}>
        <Charged now={now} />
      </Figure>
      <Figure
        label="Margin"
        note={was(before?.margin_usd ? <Money pico={picoOf(before.margin_usd)} /> : "–")}
      >
        <MarginFigure now={now} />
      </Figure>
      <Figure label="Calls" note={was(before && formatCount(before.calls))}>
        {formatCount(now.calls)}
        {now.unpriced_calls > 0 ? (
          <span className="block text-[12px] font-normal text-warn">
            {formatCalls(now.unpriced_calls)} unpriced
          </span>
        ) : null}
      </Figure>
    </dl>
  );
}

function Figure({
  label,
  note,
  children,
}: {
  label: string;
  note: ReactNode;
  children: ReactNode;
}): ReactElement {
  return (
    <div>
      <dt className="label">{label}</dt>
      <dd className="mt-0.5 text-[22px] leading-tight font-semibold tracking-[-0.02em]">{children}</dd>
      <dd className="mt-0.5 text-[12px] text-faint">{note}</dd>
    </div>
  );
}
