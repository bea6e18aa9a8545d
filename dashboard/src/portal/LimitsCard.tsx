import type { ReactElement } from "react";
import { formatAmount, picoOf } from "@/shared/amount";
import { permille } from "@/shared/money";
import { Meter } from "@/shared/ui/figures/Meter";
import { Card } from "@/shared/ui/page/Card";
import type { PortalLimit } from "./types";

/** What is left of the limits on this customer. */
export function LimitsCard({ limits }: { limits: readonly PortalLimit[] }): ReactElement {
  return (
    <Card title="Limits">
      <ul className="flex flex-col gap-4">
        {limits.map((limit) => (
          <li key={`${limit.period}${limit.limit_usd}${limit.is_hard}`}>
            <Limit limit={limit} />
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Limit({ limit }: { limit: PortalLimit }): ReactElement {
  const { limit_usd: whole, spent_usd: spent, left_usd: left } = limit;
  const resets = limit.resets_at ? `, starts anew ${limit.resets_at.slice(0, 16).replace("T", " ")} UTC` : "";
  const state = limit.is_used_up
    ? limit.is_hard
      ? "It is used up: further calls are refused."
      : "It is used up."
    : limit.is_hard
      ? "Calls beyond it are refused."
      : "Nothing is refused beyond it.";
  return (
    <div className="flex flex-col gap-1.5">
      <p className="flex flex-wrap items-baseline justify-between gap-x-4">
        <span className="font-medium">
          {whole !== null
            ? `${formatAmount(whole, "USD")} per ${limit.period}`
            : `A limit per ${limit.period}`}
        </span>
        {left !== null ? <span>{formatAmount(left, "USD")} left</span> : null}
      </p>
      {whole !== null && spent !== null ? (
        <Meter
          spent={permille(picoOf(spent), picoOf(whole))}
          label={`${formatAmount(spent, "USD")} of ${formatAmount(whole, "USD")} used`}
        />
      ) : null}
      <p className={`text-[12.5px] ${limit.is_used_up ? "text-bad" : "text-soft"}`}>
        {state}
        {resets}
      </p>
    </div>
  );
}
