import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { formatCalls, formatCount, formatDay } from "@/shared/format";
import { ViewSwitch } from "@/shared/ui/charts/ViewSwitch";
import { Card } from "@/shared/ui/page/Card";
import { Empty } from "@/shared/ui/page/Empty";
import { Asked } from "./Asked";
import { Choice } from "./Choice";
import { type Dimension, type Span, usageQuery } from "./portal-queries";
import { Scrolling } from "./Scrolling";
import { SpanChoice } from "./SpanChoice";
import type { PortalSums, PortalUsage } from "./types";
import { UsageChart } from "./UsageChart";
import { seriesOf, tokensOf, type UsageSeries, wordOf } from "./usage-series";

const BY: readonly (readonly [Dimension, string])[] = [
  ["model", "Model"],
  ["agent", "Agent"],
  ["task", "Task"],
  ["session", "Conversation"],
];
const MEASURES = [
  ["tokens", "Tokens"],
  ["calls", "Calls"],
] as const;
type Measure = (typeof MEASURES)[number][0];
const OF: Record<Measure, (sums: PortalSums) => number> = { tokens: tokensOf, calls: ({ calls }) => calls };

/** What was used: by model, agent, task or conversation, and over time. */
export function UsageView({ tz }: { tz: string }): ReactElement {
  const [span, setSpan] = useState<Span>({ span: "period" });
  const [by, setBy] = useState<Dimension>("model");
  const [measure, setMeasure] = useState<Measure>("tokens");
  const usage = useQuery(usageQuery(span, by));
  return (
    <>
      <div className="flex flex-wrap gap-3">
        <SpanChoice span={span} choose={setSpan} />
        <Choice label="By" options={BY} value={by} choose={setBy} />
        <Choice label="Show" options={MEASURES} value={measure} choose={setMeasure} />
      </div>
      <Asked query={usage} height="h-80">
        {(found) =>
          found.total.calls === 0 ? (
            <Card title="Usage">
              <Empty title="No usage in this time">
                Choose another time above: the days of an invoice, or the last 90.
              </Empty>
            </Card>
          ) : (
            <>
              <OverTime usage={found} measure={measure} tz={tz} />
              <Groups usage={found} />
            </>
          )
        }
      </Asked>
    </>
  );
}

function OverTime({
  usage,
  measure,
  tz,
}: {
  usage: PortalUsage;
  measure: Measure;
  tz: string;
}): ReactElement {
  const [asTable, setAsTable] = useState(false);
  const series = seriesOf(usage, OF[measure]);
  const name = `${measure === "tokens" ? "Tokens" : "Calls"} by ${wordOf(usage.by)}, a ${usage.bucket} each`;
  return (
    <Card title={name} aside={<ViewSwitch asTable={asTable} onChange={setAsTable} />}>
      {asTable ? (
        <SeriesTable name={name} series={series} tz={tz} />
      ) : (
        <UsageChart name={name} series={series} tz={tz} />
      )}
    </Card>
  );
}

function SeriesTable({ name, series, tz }: { name: string; series: UsageSeries; tz: string }): ReactElement {
  return (
    <Scrolling label={`${name}, table`}>
      <table className="w-full text-[13px]">
        <caption className="sr-only">{name}</caption>
        <thead className="text-[12.5px] text-soft">
          <tr>
            <th scope="col" className="py-1.5 text-left font-medium">
              From
            </th>
            {series.stacks.map(({ label }) => (
              <th key={label} scope="col" className="py-1.5 pl-4 text-right font-medium">
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {series.starts.map((start, at) => (
            <tr key={start} className="border-t border-line">
              <th scope="row" className="py-1.5 text-left font-normal whitespace-nowrap">
                {formatDay(new Date(start), tz)}
              </th>
              {series.stacks.map(({ label, values }) => (
                <td key={label} className="py-1.5 pl-4 text-right">
                  {formatCount(values[at] ?? 0)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolling>
  );
}

const COLUMNS: readonly (readonly [string, (sums: PortalSums) => number])[] = [
  ["Calls", ({ calls }) => calls],
  ["Input", ({ input_tokens }) => input_tokens],
  ["From a cache", ({ cache_read_tokens }) => cache_read_tokens],
  ["To a cache", ({ cache_creation_tokens }) => cache_creation_tokens],
  ["Output", ({ output_tokens }) => output_tokens],
  ["of it reasoning", ({ reasoning_tokens }) => reasoning_tokens],
];

function Groups({ usage }: { usage: PortalUsage }): ReactElement {
  const rows: readonly (readonly [string, PortalSums])[] = usage.groups.map(({ value, sums }) => [
    value ?? `No ${wordOf(usage.by)}`,
    sums,
  ]);
  return (
    <Card
      title={`By ${wordOf(usage.by)}`}
      aside={<span className="text-[12.5px] text-soft">{formatCalls(usage.total.calls)}</span>}
    >
      <Scrolling label={`By ${wordOf(usage.by)}, table`}>
        <table className="w-full text-[13px]">
          <caption className="sr-only">Calls and tokens by {wordOf(usage.by)}</caption>
          <thead className="text-[12.5px] text-soft">
            <tr>
              <th scope="col" className="py-1.5 text-left font-medium">
                {BY.find(([name]) => name === usage.by)?.[1]}
              </th>
              {COLUMNS.map(([title]) => (
                <th key={title} scope="col" className="py-1.5 pl-4 text-right font-medium whitespace-nowrap">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(([label, sums]) => (
              <GroupRow key={label} label={label} sums={sums} />
            ))}
          </tbody>
          <tfoot>
            <GroupRow label="All" sums={usage.total} isSum />
          </tfoot>
        </table>
      </Scrolling>
      {usage.more_groups > 0 ? (
        <p className="mt-3 text-[12.5px] text-soft">
          {formatCount(usage.more_groups)} more with fewer calls are in the last row and not listed.
        </p>
      ) : null}
    </Card>
  );
}

function GroupRow(props: { label: string; sums: PortalSums; isSum?: boolean }): ReactElement {
  const { label, sums, isSum = false } = props;
  return (
    <tr className={`border-t border-line ${isSum ? "font-semibold" : ""}`}>
      <th scope="row" className="max-w-64 py-1.5 text-left [font-weight:inherit] break-words">
        {label}
      </th>
      {COLUMNS.map(([title, of]) => (
        <td key={title} className="py-1.5 pl-4 text-right whitespace-nowrap">
          {formatCount(of(sums))}
        </td>
      ))}
    </tr>
  );
}
