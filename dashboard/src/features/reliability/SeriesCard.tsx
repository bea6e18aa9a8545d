import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useId, useMemo, useState } from "react";
import { address } from "@/shared/api/client";
import type { ServiceSeries } from "@/shared/api/types";
import { clock, formatCount, formatDay, formatDuration } from "@/shared/format";
import { formatPerSecond } from "@/shared/measures";
import { presetOf, type Search, zoneOf } from "@/shared/search/search";
import { TimeChart, type TimeLine } from "@/shared/ui/charts/TimeChart";
import { ViewSwitch } from "@/shared/ui/charts/ViewSwitch";
import { Card } from "@/shared/ui/page/Card";
import { Loaded } from "@/shared/ui/page/Loaded";
import { serviceSeriesAsked, serviceSeriesQuery } from "./queries";

interface SeriesCardProps {
  search: Search;
  /** Which lines: of the address. */
  shown: string | undefined;
  bucket: string | undefined;
  change: (changes: Record<string, string | undefined>) => void;
  choose: (sinceMs: number, untilMs: number) => void;
}

type Column = Exclude<keyof ServiceSeries, "span" | "bucket" | "starts_ms" | "coverage">;

interface View {
  title: string;
  lines: readonly (readonly [Column, string, string])[];
  format: (value: number) => string;
}

const VIEWS: Readonly<Record<string, View>> = {
  latency: {
    title: "Latency",
    lines: [
      ["total_p99_us", "p99", "--s3"],
      ["total_p95_us", "p95", "--s2"],
      ["total_p50_us", "p50", "--s0"],
    ],
    format: formatDuration,
  },
  first_byte: {
    title: "Time to first byte",
    lines: [
      ["first_byte_p99_us", "p99", "--s3"],
      ["first_byte_p95_us", "p95", "--s2"],
      ["first_byte_p50_us", "p50", "--s0"],
    ],
    format: formatDuration,
  },
  speed: {
    title: "Output tokens a second",
    lines: [["output_tokens_per_minute", "Tokens a second", "--s1"]],
    format: formatPerSecond,
  },
  failures: {
    title: "Calls, failures and retries",
    lines: [
      ["calls", "Calls", "--s0"],
      ["errors", "Failed", "--bad"],
      ["retries", "Retries", "--s2"],
    ],
    format: (value) => (Number.isInteger(value) ? formatCount(value) : ""),
  },
};
const LATENCY = "latency";
const BUCKETS = ["minute", "hour", "day"] as const;
/** Latency is looked at more closely than spend: what a bar of spend is a day of, is hours here. */
const FINER = { minute: "minute", hour: "minute", day: "hour" } as const;
const ROWS_SHOWN = 500;

/** How the calls went over time; drag over the chart to look closer. */
export function SeriesCard({ search, shown, bucket, change, choose }: SeriesCardProps): ReactElement {
  const name = shown !== undefined && shown in VIEWS ? shown : LATENCY;
  const view = VIEWS[name] as View;
  const usual = FINER[presetOf(search)?.bucket ?? "hour"];
  const wanted = BUCKETS.find((each) => each === bucket) ?? usual;
  const series = useQuery(serviceSeriesQuery(search, wanted));
  const [asTable, setAsTable] = useState(false);
  const tz = zoneOf(search);
  const id = useId();
  return (
    <Card
      title={view.title}
      exported={{
        what: "these points",
        href: (format) => address("reliability/series", { ...serviceSeriesAsked(search, wanted), format }),
      }}
      aside={
        <span className="flex items-center gap-2">
          <label htmlFor={id} className="sr-only text-[12.5px] text-soft sm:not-sr-only">
            By the
          </label>
          <select
            id={id}
            value={wanted}
            onChange={(event) => change({ bucket: event.target.value })}
            className="rounded-lg border border-line bg-card px-2 py-1 text-[13px] text-ink"
          >
            {BUCKETS.map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
          <ViewSwitch asTable={asTable} onChange={setAsTable} />
        </span>
      }
    >
      <div className="-mx-2 mb-3 flex gap-1 overflow-x-auto px-2">
        {Object.entries(VIEWS).map(([id, { title }]) => (
          <button
            key={id}
            type="button"
            aria-pressed={id === name}
            onClick={() => change({ lines: id === LATENCY ? undefined : id })}
            className="rounded-lg px-2.5 py-1 text-[13px] whitespace-nowrap font-medium text-soft hover:text-ink aria-pressed:bg-sunken aria-pressed:text-ink"
          >
            {title}
          </button>
        ))}
      </div>
      <Loaded query={series} skeleton={<div className="skeleton h-60" />}>
        {(data) =>
          asTable ? (
            <Figures data={data} view={view} tz={tz} />
          ) : (
            <Chart data={data} view={view} tz={tz} choose={choose} />
          )
        }
      </Loaded>
    </Card>
  );
}

interface DrawnProps {
  data: ServiceSeries;
  view: View;
  tz: string;
}

function Chart({ data, view, tz, choose }: DrawnProps & Pick<SeriesCardProps, "choose">): ReactElement {
  const lines = useMemo<TimeLine[]>(
    () => view.lines.map(([column, label, color]) => ({ label, color, values: data[column] })),
    [data, view],
  );
  return (
    <TimeChart
      name={`${view.title} by the ${data.bucket}, ${formatCount(data.starts_ms.length)} points`}
      startsMs={data.starts_ms}
      lines={lines}
      tz={tz}
      format={view.format}
      choose={choose}
    />
  );
}

/** The figures that the chart is made of, newest first. */
function Figures({ data, view, tz }: DrawnProps): ReactElement {
  const rows = data.starts_ms.map((start, index) => ({ start, index })).reverse();
  return (
    <div className="max-h-72 overflow-auto">
      <table className="w-full text-[13px]">
        <caption className="sr-only">{view.title}</caption>
        <thead className="sticky top-0 bg-card text-left text-[12.5px] text-soft">
          <tr>
            <th scope="col" className="pb-2 font-medium">
              Time
            </th>
            {view.lines.map(([column, label]) => (
              <th key={column} scope="col" className="pb-2 pl-4 text-right font-medium">
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, ROWS_SHOWN).map(({ start, index }) => (
            <tr key={start} className="border-t border-line">
              <td className="py-1 whitespace-nowrap">
                {formatDay(new Date(start), tz)} {data.bucket === "day" ? "" : clock(new Date(start), tz)}
              </td>
              {view.lines.map(([column]) => {
                const value = data[column][index] ?? null;
                return (
                  <td key={column} className="py-1 pl-4 text-right">
                    {value === null ? "–" : view.format(value)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > ROWS_SHOWN ? (
        <p className="py-2 text-[12.5px] text-soft">
          The newest {formatCount(ROWS_SHOWN)} of {formatCount(rows.length)}: choose a shorter span, or longer
          steps.
        </p>
      ) : null}
    </div>
  );
}
