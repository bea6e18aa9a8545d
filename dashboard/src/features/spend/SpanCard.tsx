import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { seriesQuery } from "@/shared/api/queries";
import type { Series } from "@/shared/api/types";
import { presetOf, type Search } from "@/shared/search/search";
import { Card } from "@/shared/ui/Card";
import { REST_COLOR, seriesColor } from "@/shared/ui/colors";
import { Loaded } from "@/shared/ui/Loaded";
import { ViewSwitch } from "@/shared/ui/ViewSwitch";
import type { Bucket } from "./axis";
import { BarChart, type Stack } from "./BarChart";
import { ChartTable } from "./ChartTable";

/** Spend over the span being looked at, stacked by model. */
export function SpanCard({ search }: { search: Search }): ReactElement {
  const preset = presetOf(search);
  const bucket: Bucket = preset?.bucket ?? "hour";
  const series = useQuery(seriesQuery(search, bucket, "model"));
  const [asTable, setAsTable] = useState(false);
  const name = `Spend by model, ${(preset?.title ?? "chosen span").toLowerCase()}`;
  return (
    <Card title={name} aside={<ViewSwitch asTable={asTable} onChange={setAsTable} />}>
      <Loaded query={series} skeleton={<div className="skeleton h-[190px]" />}>
        {(data) => {
          const figures = {
            bucket: data.bucket as Bucket, // of the last response, while the next is being fetched
            tz: data.span.tz,
            startsMs: data.starts_ms,
            total: data.total.cost_pico,
            calls: data.total.calls,
            unpriced: data.unpriced_calls,
            stacks: stacksOf(data),
          };
          if (asTable) return <ChartTable caption={name} {...figures} />;
          const isToday = preset?.id === "today" && !series.isPlaceholderData;
          return (
            <BarChart
              name={name}
              partialAt={data.partial ? data.starts_ms.length - 1 : null}
              {...figures}
              startsMs={isToday ? wholeDay(data.starts_ms) : data.starts_ms}
            />
          );
        }}
      </Loaded>
    </Card>
  );
}

/** Add the hours that are still to come, so that a morning does not look like a whole day. */
function wholeDay(startsMs: readonly number[]): number[] {
  const starts = [...startsMs];
  const first = starts[0];
  if (first === undefined) return starts;
  while (starts.length < 24) starts.push(first + starts.length * 3_600_000);
  return starts;
}

function stacksOf(series: Series): Stack[] {
  return series.lines.map((line, index) => ({
    label: line.is_rest ? "Others" : (line.key ?? "No model"),
    color: line.is_rest ? REST_COLOR : seriesColor(index),
    cost_pico: line.cost_pico,
  }));
}
