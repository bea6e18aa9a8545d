import type { ReactElement } from "react";
import { formatAmount } from "@/shared/amount";

interface AmountProps {
  /** Decimal text; null where it cannot be told, which is not zero. */
  text: string | null;
  currency: string;
  /** Some calls in it have no price: the amount is a lower bound. */
  atLeast?: boolean;
}

/** An amount of a document, in its currency and as it was rounded there. */
export function Amount({ text, currency, atLeast = false }: AmountProps): ReactElement {
  if (text === null) return <span title="It cannot be told">–</span>;
  const shown = formatAmount(text, currency);
  return (
    <span
      className="whitespace-nowrap"
      title={atLeast ? `At least ${shown}: some calls have no price yet` : undefined}
    >
      {atLeast ? <span className="mr-[0.12em] text-[0.72em] text-faint">≥</span> : null}
      {shown}
    </span>
  );
}
