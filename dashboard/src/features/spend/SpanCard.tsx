import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { seriesQuery } from "@/shared/api/queries";
import type { Series } from "@/shared/api/types";
import { presetOf, type Search, zoneOf } from "@/shared/search/search";
import { Card } from "@/shared/ui/Card";
import { REST_COLOR, seriesColor } from "@/shared/ui/colors";
import { ErrorNotice } from "@/shared/ui/ErrorNotice";
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
  let body: ReactElement;
  if (series.isPending) body = <div className="skeleton h-[190px]" />;
  else if (series.isError) body = <ErrorNotice error={series.error} retry={() => void series.refetch()} />;
  else {
    const data = preset?.id === "today" ? wholeDay(series.data) : series.data;
    const figures = {
      bucket,
      tz: zoneOf(search),
      startsMs: data.starts_ms,
      total: data.total.cost_pico,
      calls: data.total.calls,
      unpriced: data.unpriced_calls,
    };
    body = asTable ? (
      <ChartTable caption={name} {...figures} />
    ) : (
      <BarChart
        name={name}
        partialAt={series.data.partial ? series.data.starts_ms.length - 1 : null}
        stacks={stacksOf(data)}
        {...figures}
      />
    );
  }
  return (
    <Card title={name} aside={<ViewSwitch asTable={asTable} onChange={setAsTable} />}>
      {body}
    </Card>
  );
}

/** Add the hours that are still to come, so that a morning does not look like a whole day. */
function wholeDay(series: Series): Series {
  const starts_ms = [...series.starts_ms];
  const first = starts_ms[0];
  if (first === undefined) return series;
  while (starts_ms.length < 24) starts_ms.push(first + starts_ms.length * 3_600_000);
  return { ...series, starts_ms };
}

function stacksOf(series: Series): Stack[] {
  return series.lines.map((line, index) => ({
    label: line.is_rest ? "Others" : (line.key ?? "No model"),
    color: line.is_rest ? REST_COLOR : seriesColor(index),
    cost_pico: line.cost_pico,
  }));
}
