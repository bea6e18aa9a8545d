import type { ReactElement } from "react";
import { exactMoney, formatMoney } from "@/shared/money";

interface MoneyProps {
  /** Pico-dollars as text; null where no price is known, which is not zero. */
  pico: string | null;
  /** Some calls in it have no price: the amount is a lower bound. */
  atLeast?: boolean;
}

/** An amount, short to read, whole on hover. */
export function Money({ pico, atLeast = false }: MoneyProps): ReactElement {
  if (pico === null) return <span title="No price is known for this">–</span>;
  const exact = exactMoney(pico);
  return (
    <span title={atLeast ? `At least ${exact}: some calls have no price yet, or are missing` : exact}>
      {atLeast ? (
        <span className="mr-[0.12em] text-[0.72em] leading-none font-normal text-faint">≥</span>
      ) : null}
      {formatMoney(pico)}
    </span>
  );
}

/** A difference of two amounts, with its sign. */
export function Change({ pico }: { pico: string }): ReactElement {
  const sign = pico === "0" || pico.startsWith("-") ? "" : "+";
  return (
    <span title={`${sign}${exactMoney(pico)}`}>
      {sign}
      {formatMoney(pico).replace("-", "−")}
    </span>
  );
}
