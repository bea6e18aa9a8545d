import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { address } from "@/shared/api/client";
import { seriesAsked, seriesQuery } from "@/shared/api/queries";
import type { Series } from "@/shared/api/types";
import {
  type Bucket,
  bucketOf,
  type Dimension,
  labelOf,
  presetOf,
  type Search,
} from "@/shared/search/search";
import { REST_COLOR, seriesColor } from "@/shared/ui/charts/colors";
import { ViewSwitch } from "@/shared/ui/charts/ViewSwitch";
import { Card } from "@/shared/ui/page/Card";
import { useKeyLabels } from "@/shared/ui/page/KeyName";
import { Loaded } from "@/shared/ui/page/Loaded";
import { BarChart, type Stack } from "./BarChart";
import { ChartTable } from "./ChartTable";
import { Legend } from "./Legend";

interface SpanCardProps {
  search: Search;
  by: Dimension;
  pick: (dimension: Dimension, value: string) => void;
  /** Look at one bar alone: its beginning and its end, in milliseconds. */
  zoom: (startMs: number, endMs: number, inExplorer: boolean) => void;
}

/** Spend over the span being looked at, stacked by a dimension: hours of a day, days of a week or a month. */
export function SpanCard({ search, by, pick, zoom }: SpanCardProps): ReactElement {
  const preset = presetOf(search);
  const bucket = bucketOf(search);
  const series = useQuery(seriesQuery(search, bucket, by));
  const keys = useKeyLabels();
  const [asTable, setAsTable] = useState(false);
  const name = `Spend by ${lower(labelOf(by))}, ${lower(preset?.title ?? "chosen span")}`;
  return (
    <Card
      title={name}
      exported={{
        what: "this chart",
        href: (format) => address("series", { ...seriesAsked(search, bucket, by), format }),
      }}
      aside={<ViewSwitch asTable={asTable} onChange={setAsTable} />}
    >
      <Loaded query={series} skeleton={<div className="skeleton h-[250px]" />}>
        {(data) => {
          const figures = {
            bucket: data.bucket as Bucket, // of the last response, while the next is being fetched
            tz: data.span.tz,
            startsMs: data.starts_ms,
            total: data.total.cost_pico,
            calls: data.total.calls,
            unpriced: data.unpriced_calls,
            stacks: stacksOf(data, by, keys),
          };
          if (asTable) return <ChartTable caption={name} {...figures} zoom={zoom} />;
          const isToday = preset?.id === "today" && !series.isPlaceholderData;
          return (
            <>
              <BarChart
                name={name}
                partialAt={data.partial ? data.starts_ms.length - 1 : null}
                {...figures}
                startsMs={isToday ? wholeDay(data.starts_ms) : data.starts_ms}
                cutFirst={isCut(data)}
                zoom={zoom}
                height={220}
              />
              <Legend
                stacks={figures.stacks}
                onPick={({ value }) => (value === undefined ? undefined : pick(by, value))}
              />
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}

/** Whether the span begins in the middle of its first bucket. */
function isCut(series: Series): boolean {
  const first = series.starts_ms[0];
  return series.span.since !== null && first !== undefined && Date.parse(series.span.since) > first;
}

/** Add the hours that are still to come, so that a morning does not look like a whole day. */
function wholeDay(startsMs: readonly number[]): number[] {
  const starts = [...startsMs];
  const first = starts[0];
  if (first === undefined) return starts;
  while (starts.length < 24) starts.push(first + starts.length * 3_600_000);
  return starts;
}

function stacksOf(series: Series, by: Dimension, keys: Readonly<Record<string, string>>): Stack[] {
  return series.lines.map((line, index) => {
    const value = line.key ?? "";
    const label = by === "key" ? (keys[value] ?? value) : value;
    return {
      label: line.is_rest ? "Everything else" : label || `No ${lower(labelOf(by))}`,
      color: line.is_rest ? REST_COLOR : seriesColor(index),
      cost_pico: line.cost_pico,
      ...(line.is_rest ? {} : { value }),
    };
  });
}

function lower(title: string): string {
  return title.replace(/^[A-Z](?![A-Z])/, (first) => first.toLowerCase());
}
