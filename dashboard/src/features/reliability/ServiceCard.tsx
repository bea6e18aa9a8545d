import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useId } from "react";
import { address } from "@/shared/api/client";
import type { Reliability, Service } from "@/shared/api/types";
import { formatCount, formatDuration } from "@/shared/format";
import { formatPermille, formatPerSecond } from "@/shared/measures";
import { BreakdownLink } from "@/shared/search/BreakdownLink";
import { CallsLink } from "@/shared/search/CallsLink";
import { DIMENSIONS } from "@/shared/search/dimensions";
import { type Dimension, labelOf, type Search } from "@/shared/search/search";
import { TextButton } from "@/shared/ui/forms/buttons";
import { Card } from "@/shared/ui/page/Card";
import { KeyName } from "@/shared/ui/page/KeyName";
import { Loaded } from "@/shared/ui/page/Loaded";
import { type Column, SortTable } from "@/shared/ui/tables/SortTable";
import { reliabilityAsked, reliabilityQuery, VALUES_MAX } from "./queries";

interface ServiceCardProps {
  search: Search;
  by: Dimension;
  /** How many values stand for themselves; undefined: a few. */
  limit: number | undefined;
  change: (by: string) => void;
  /** Show as many values as there may be. */
  openRest: () => void;
  empty: ReactElement;
}

interface Row {
  id: string;
  key: string | null;
  /** Everything else, or everything. */
  sums: "rest" | "total" | null;
  service: Service;
}

/** Latency, first byte, speed and failures of each value of a dimension. */
export function ServiceCard(props: ServiceCardProps): ReactElement {
  const { search, by, limit, change, openRest, empty } = props;
  const found = useQuery(reliabilityQuery(search, by, limit));
  const id = useId();
  return (
    <Card
      title={`Latency, failures and retries by ${labelOf(by).toLowerCase()}`}
      exported={{
        what: "latency and failures",
        href: (format) => address("reliability", { ...reliabilityAsked(search, by), format }),
      }}
      aside={
        <span className="flex items-center gap-2 text-[12.5px] text-soft">
          <label htmlFor={id}>By</label>
          <select
            id={id}
            value={by}
            onChange={(event) => change(event.target.value)}
            className="rounded-lg border border-line bg-card px-2 py-1 text-[13px] text-ink"
          >
            {DIMENSIONS.map((name) => (
              <option key={name} value={name}>
                {labelOf(name)}
              </option>
            ))}
          </select>
        </span>
      }
    >
      <Loaded query={found} skeleton={<div className="skeleton h-56" />}>
        {(data) =>
          data.total.calls === 0 ? (
            empty
          ) : (
            <SortTable
              caption={`Latency, failures and retries by ${labelOf(data.by as Dimension)}`}
              rows={rowsOf(data)}
              columns={columnsOf(data.by as Dimension, limit === VALUES_MAX ? undefined : openRest)}
              keyOf={({ id }) => id}
              empty={empty}
            />
          )
        }
      </Loaded>
    </Card>
  );
}

function rowsOf(data: Reliability): Row[] {
  return [
    ...data.rows.map(({ key, service }) => ({ id: `=${key ?? ""}`, key, sums: null, service })),
    ...(data.rest === null ? [] : [{ id: "rest", key: null, sums: "rest" as const, service: data.rest }]),
    { id: "total", key: null, sums: "total" as const, service: data.total },
  ];
}

/** Everything else and everything stay at the end, whatever the order: they are no values. */
function lastly(compare: (a: Service, b: Service) => number): (a: Row, b: Row) => number {
  return (a, b) => (a.sums !== null || b.sums !== null ? 0 : compare(a.service, b.service));
}

function columnsOf(by: Dimension, openRest: (() => void) | undefined): Column<Row>[] {
  const time = (id: keyof Service, title: string, wide = false): Column<Row> => ({
    id,
    title,
    right: true,
    wide,
    sort: lastly((a, b) => (a[id] ?? -1) - (b[id] ?? -1)),
    cell: ({ service }) => <Time us={service[id]} />,
  });
  return [
    {
      id: "name",
      title: labelOf(by),
      cell: (row) => (
        <span className={`block max-w-56 truncate ${row.sums === "total" ? "font-semibold" : "font-medium"}`}>
          <Name row={row} by={by} openRest={openRest} />
        </span>
      ),
    },
    {
      id: "calls",
      title: "Calls",
      right: true,
      sort: lastly((a, b) => a.calls - b.calls),
      cell: ({ service, key, sums }) =>
        sums === "rest" ? (
          formatCount(service.calls)
        ) : (
          <CallsLink where={sums === null ? { [by]: key } : {}}>{formatCount(service.calls)}</CallsLink>
        ),
    },
    {
      id: "errors",
      title: "Failed",
      right: true,
      sort: lastly((a, b) => a.errors - b.errors),
      cell: ({ service, key, sums }) =>
        service.errors === 0 ? (
          <span className="text-faint">·</span>
        ) : (
          <Failed service={service} where={sums === "rest" ? null : sums === "total" ? {} : { [by]: key }} />
        ),
    },
    {
      id: "retries",
      title: "Retries",
      right: true,
      sort: lastly((a, b) => a.retries - b.retries),
      cell: ({ service, key, sums }) =>
        service.retries === 0 ? (
          <span className="text-faint">·</span>
        ) : sums === "rest" ? (
          formatCount(service.retries)
        ) : (
          <CallsLink where={{ ...(sums === null ? { [by]: key } : {}), retry: "true" }}>
            {formatCount(service.retries)}
          </CallsLink>
        ),
    },
    time("total_p50_us", "p50"),
    time("total_p95_us", "p95"),
    time("total_p99_us", "p99", true),
    time("first_byte_p50_us", "First byte p50", true),
    time("first_byte_p95_us", "First byte p95"),
    {
      id: "speed",
      title: "Tokens a second",
      right: true,
      sort: lastly((a, b) => (a.output_tokens_per_minute ?? -1) - (b.output_tokens_per_minute ?? -1)),
      cell: ({ service }) =>
        service.output_tokens_per_minute === null ? "–" : formatPerSecond(service.output_tokens_per_minute),
    },
  ];
}

interface NameProps {
  row: Row;
  by: Dimension;
  openRest: (() => void) | undefined;
}

function Name({ row, by, openRest }: NameProps): ReactElement {
  if (row.sums === "total") return <>All calls</>;
  if (row.sums === "rest") {
    return openRest === undefined ? (
      <BreakdownLink by={[by]}>Everything else</BreakdownLink>
    ) : (
      <TextButton onClick={openRest}>Everything else</TextButton>
    );
  }
  if (row.key === null) return <span className="text-faint">none</span>;
  return by === "key" ? <KeyName fingerprint={row.key} /> : <span title={row.key}>{row.key}</span>;
}

function Time({ us }: { us: number | null }): ReactElement {
  if (us === null) return <>–</>;
  return (
    <span className="whitespace-nowrap" title={`${formatCount(us)} µs`}>
      {formatDuration(us)}
    </span>
  );
}

interface FailedProps {
  service: Service;
  /** The filters of its calls; null where no filter names them. */
  where: Readonly<Record<string, string | null>> | null;
}

function Failed({ service, where }: FailedProps): ReactElement {
  const shown = (
    <>
      {formatCount(service.errors)}{" "}
      <span className="text-[12px]">{formatPermille(service.error_permille ?? 0)}</span>
    </>
  );
  if (where === null) return <span className="whitespace-nowrap text-bad">{shown}</span>;
  return (
    <CallsLink where={where} written={{ status: "0,4xx,5xx" }} className="whitespace-nowrap text-bad">
      {shown}
    </CallsLink>
  );
}
