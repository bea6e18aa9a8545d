import type { ReactElement } from "react";
import { formatCompact, formatCount, formatDay } from "@/shared/format";
import { seriesColor } from "@/shared/ui/charts/colors";
import { useWidth } from "@/shared/ui/charts/use-width";
import type { UsageSeries } from "./usage-series";

const GUTTER = 48;
const HEIGHT = 190;
const FOOT = 22;
const HEAD = 8;
const LABEL = 64;

interface UsageChartProps {
  name: string;
  series: UsageSeries;
  tz: string;
}

/** Stacked bars, a day or a week each. The table has the same figures. */
export function UsageChart({ name, series, tz }: UsageChartProps): ReactElement {
  const { starts, stacks } = series;
  const [ref, width] = useWidth<HTMLDivElement>(600);
  const totals = starts.map((_, at) => stacks.reduce((sum, { values }) => sum + (values[at] ?? 0), 0));
  const top = Math.max(1, ...totals);
  const inner = HEIGHT - FOOT - HEAD;
  const slot = Math.min((width - GUTTER) / Math.max(starts.length, 1), 72);
  const gap = slot > 10 ? 3 : 1;
  const every = Math.max(1, Math.ceil(LABEL / slot));
  return (
    <div ref={ref} className="min-w-0 overflow-hidden">
      <svg width={width} height={HEIGHT} role="img" aria-label={name} className="block">
        {[top, top / 2].map((tick) => {
          const y = HEAD + inner - (tick / top) * inner;
          return (
            <g key={tick}>
              <line x1={GUTTER} x2={width} y1={y} y2={y} stroke="var(--line)" strokeDasharray="2 4" />
              <text x={GUTTER - 8} y={y + 4} textAnchor="end" fontSize="11" fill="var(--faint)">
                {formatCompact(Math.round(tick))}
              </text>
            </g>
          );
        })}
        <line x1={GUTTER} x2={width} y1={HEAD + inner} y2={HEAD + inner} stroke="var(--line)" />
        {starts.map((start, at) => {
          let base = HEAD + inner;
          return (
            <g key={start}>
              <title>{`${formatDay(new Date(start), tz)}: ${formatCount(totals[at] ?? 0)}`}</title>
              {stacks.map(({ label, values }, layer) => {
                const size = ((values[at] ?? 0) / top) * inner;
                if (size <= 0) return null;
                base -= size;
                return (
                  <rect
                    key={label}
                    x={GUTTER + at * slot + gap / 2}
                    y={base}
                    width={Math.max(slot - gap, 1)}
                    height={size}
                    fill={seriesColor(label === "Others" ? 99 : layer)}
                  />
                );
              })}
              {at % every === 0 ? (
                <text
                  x={GUTTER + at * slot + slot / 2}
                  y={HEIGHT - 5}
                  textAnchor={at === 0 ? "start" : at > starts.length - every ? "end" : "middle"}
                  fontSize="11"
                  fill="var(--faint)"
                >
                  {formatDay(new Date(start), tz)}
                </text>
              ) : null}
            </g>
          );
        })}
      </svg>
      <ul className="mt-3 flex flex-wrap gap-x-4 gap-y-1 text-[12.5px] text-soft">
        {stacks.map(({ label }, layer) => (
          <li key={label} className="flex min-w-0 items-center gap-1.5">
            <span
              aria-hidden="true"
              className="size-2 shrink-0 rounded-full"
              style={{ background: seriesColor(label === "Others" ? 99 : layer) }}
            />
            <span className="max-w-56 truncate" title={label}>
              {label}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
