import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Projection } from "@/shared/api/types";
import { formatDay } from "@/shared/format";
import { largest, permille } from "@/shared/money";
import type { Search } from "@/shared/search/search";
import { Money } from "@/shared/ui/figures/Money";
import { Card } from "@/shared/ui/page/Card";
import { Loaded } from "@/shared/ui/page/Loaded";
import { projectionQuery } from "./queries";

/** What this month will come to, and how sure that is. */
export function ProjectionCard({ search }: { search: Search }): ReactElement {
  const projection = useQuery(projectionQuery(search));
  return (
    <Card title="This month">
      <Loaded query={projection} skeleton={<div className="skeleton h-40" />}>
        {(data) => <Shown data={data} />}
      </Loaded>
    </Card>
  );
}

function Shown({ data }: { data: Projection }): ReactElement {
  const { tz } = data.month;
  const last = formatDay(new Date(Date.parse(data.month.until) - 1), tz);
  const spent = data.spent.sums;
  const past = data.before.sums;
  return (
    <>
      <p className="label">Expected by {last}</p>
      <p className="mt-1 text-[30px] leading-none font-semibold tracking-[-0.03em]" data-testid="projected">
        <Money pico={data.likely_pico} atLeast={!data.complete} />
      </p>
      {data.likely_pico === null ? (
        <p className="mt-2 text-[13px] text-soft">
          Too few whole days to go by: {data.days_used} of 3. {data.days_left} days are left.
        </p>
      ) : (
        <p className="mt-2 text-[13px] text-soft">
          between <Money pico={data.low_pico} atLeast={!data.complete} /> and{" "}
          <Money pico={data.high_pico} atLeast={!data.complete} /> in eight of ten months like the{" "}
          {data.days_used} days before
          {data.by_weekday ? ", each weekday by its own" : ""}
        </p>
      )}
      <Bar data={data} />
      <dl className="mt-4 grid grid-cols-[1fr_auto] gap-y-1 text-[13px]">
        <dt className="text-soft">So far</dt>
        <dd className="text-right font-medium">
          <Money pico={spent.cost_pico} atLeast={!spent.complete} />
        </dd>
        <dt className="text-soft">Last month, whole</dt>
        <dd className="text-right font-medium">
          {past.calls === 0 ? "–" : <Money pico={past.cost_pico} atLeast={!past.complete} />}
        </dd>
      </dl>
    </>
  );
}

/** Spent, what is likely to come, and last month as a mark. */
function Bar({ data }: { data: Projection }): ReactElement {
  const spent = data.spent.sums.cost_pico;
  const past = data.before.sums.cost_pico;
  const top = largest([spent, data.high_pico ?? "0", past]);
  const at = (pico: string | null): number => permille(pico ?? "0", top) / 10;
  return (
    <div className="relative mt-5 h-2.5 rounded-full bg-sunken" aria-hidden="true">
      <span
        className="absolute inset-y-0 left-0 rounded-full opacity-30"
        style={{ width: `${at(data.high_pico)}%`, background: "var(--s0)" }}
      />
      <span
        className="absolute inset-y-0 left-0 rounded-full opacity-45"
        style={{ width: `${at(data.likely_pico)}%`, background: "var(--s0)" }}
      />
      <span
        className="absolute inset-y-0 left-0 rounded-full"
        style={{ width: `${at(spent)}%`, background: "var(--s0)" }}
      />
      {past === "0" ? null : (
        <span
          title="Last month"
          className="absolute -inset-y-1 w-0.5 rounded-full bg-ink"
          style={{ left: `calc(${at(past)}% - 1px)` }}
        />
      )}
    </div>
  );
}
