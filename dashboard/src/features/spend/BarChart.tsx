import { type ReactElement, useId, useState } from "react";
import { formatCalls } from "@/shared/format";
import { formatMoney, largest, permille, scaleTicks } from "@/shared/money";
import { useWidth } from "@/shared/ui/charts/use-width";
import { Money } from "@/shared/ui/figures/Money";
import { type Bucket, bucketEnd, bucketName, xLabels } from "./axis";

export interface Stack {
  label: string;
  color: string;
  cost_pico: readonly string[];
  /** The value it stands for; undefined for the rest. */
  value?: string;
}

interface BarChartProps {
  name: string;
  bucket: Bucket;
  tz: string;
  startsMs: readonly number[];
  stacks: readonly Stack[];
  total: readonly string[];
  calls: readonly number[];
  unpriced: readonly number[];
  /** The bucket that has not ended, if any: it is hatched, so that it is not read as a fall. */
  partialAt: number | null;
  /** The first bucket began before the span: it is hatched, too. */
  cutFirst?: boolean;
  height?: number;
  /** Look at one bucket alone, with the Ctrl or ⌘ key at its calls. */
  zoom?: (startMs: number, endMs: number, inExplorer: boolean) => void;
}

const GUTTER = 54;
const FOOT = 22;
const HEAD = 8;
const SLOT_MAX = 150;
const BAR_MAX = 56;

/** Spend bucket by bucket, stacked. Every bar's figures are in its tooltip and in the table view. */
export function BarChart(props: BarChartProps): ReactElement {
  const {
    startsMs,
    stacks,
    total,
    calls,
    unpriced,
    partialAt,
    bucket,
    tz,
    name,
    height = 190,
    zoom,
    cutFirst = false,
  } = props;
  const [ref, width] = useWidth<HTMLDivElement>(600);
  const [hovered, setHovered] = useState<number | null>(null);
  const hatch = useId();
  const top = largest(total);
  const inner = height - FOOT - HEAD;
  const slot = Math.min(Math.max((width - GUTTER) / Math.max(startsMs.length, 1), 1), SLOT_MAX);
  const gap = Math.max(slot > 14 ? 4 : slot > 6 ? 2 : slot > 3 ? 1 : 0, slot - BAR_MAX);
  const isPartial = (index: number): boolean => index === partialAt || (cutFirst && index === 0);
  const y = (pico: string): number => (permille(pico, top) / 1000) * inner;

  return (
    <div ref={ref} className="relative min-w-0">
      <svg width={width} height={height} role="img" aria-label={name} className="block overflow-visible">
        <defs>
          {stacks.map((stack, index) => (
            <pattern
              key={stack.label}
              id={`${hatch}${index}`}
              width="5"
              height="5"
              patternUnits="userSpaceOnUse"
              patternTransform="rotate(45)"
            >
              <rect width="5" height="5" fill={stack.color} opacity="0.22" />
              <rect width="2.2" height="5" fill={stack.color} opacity="0.9" />
            </pattern>
          ))}
        </defs>
        {scaleTicks(top).map((tick) => {
          const at = HEAD + inner - y(tick);
          return (
            <g key={tick}>
              <line x1={GUTTER} x2={width} y1={at} y2={at} stroke="var(--line)" strokeDasharray="2 4" />
              <text x={GUTTER - 8} y={at + 4} textAnchor="end" fontSize="11" fill="var(--faint)">
                {formatMoney(tick)}
              </text>
            </g>
          );
        })}
        <line x1={GUTTER} x2={width} y1={HEAD + inner} y2={HEAD + inner} stroke="var(--line)" />
        {xLabels(startsMs, bucket, tz, (slot * startsMs.length) / 64).map(({ index, text }) => (
          <text
            key={index}
            x={GUTTER + index * slot + slot / 2}
            y={height - 5}
            textAnchor="middle"
            fontSize="11"
            fill="var(--faint)"
          >
            {text}
          </text>
        ))}
        {startsMs.map((start, index) => {
          let base = HEAD + inner;
          return (
            // biome-ignore lint/a11y/noStaticElementInteractions: the table view has the same as buttons
            <g
              key={start}
              onPointerEnter={() => setHovered(index)}
              onPointerLeave={() => setHovered(null)}
              onClick={({ ctrlKey, metaKey }) =>
                zoom?.(start, bucketEnd(startsMs, index, bucket), ctrlKey || metaKey)
              }
              className={zoom ? "cursor-pointer" : ""}
            >
              <rect
                x={GUTTER + index * slot}
                y={HEAD}
                width={slot}
                height={inner}
                fill={hovered === index ? "var(--sunken)" : "transparent"}
              />
              {stacks.map((stack, layer) => {
                const pico = stack.cost_pico[index] ?? "0";
                if (pico === "0") return null;
                const size = Math.max(y(pico), 1.5);
                base -= size;
                return (
                  <rect
                    key={stack.label}
                    x={GUTTER + index * slot + gap / 2}
                    y={base}
                    width={Math.max(slot - gap, 0.8)}
                    height={size}
                    rx={Math.min(2, slot / 4)}
                    fill={isPartial(index) ? `url(#${hatch}${layer})` : stack.color}
                  />
                );
              })}
              {(unpriced[index] ?? 0) > 0 ? (
                <circle cx={GUTTER + index * slot + slot / 2} cy={base - 5} r="2.2" fill="var(--warn)" />
              ) : null}
            </g>
          );
        })}
      </svg>
      {hovered !== null && startsMs[hovered] !== undefined ? (
        <div
          className="card pointer-events-none absolute top-1 z-10 min-w-40 px-3 py-2 text-[12.5px]"
          style={tooltipPlace(GUTTER + hovered * slot + slot / 2, width)}
        >
          <p className="text-soft">
            {bucketName(startsMs[hovered], bucket, tz)}
            {hovered === partialAt ? " · not over" : isPartial(hovered) ? " · not all of it" : ""}
          </p>
          <p className="mt-0.5 text-[15px] font-semibold">
            <Money pico={total[hovered] ?? "0"} atLeast={(unpriced[hovered] ?? 0) > 0} />
          </p>
          {stacks.length > 1
            ? stacks
                .filter((stack) => (stack.cost_pico[hovered] ?? "0") !== "0")
                .map((stack) => (
                  <p key={stack.label} className="mt-0.5 flex items-center gap-2">
                    <span className="size-2 rounded-full" style={{ background: stack.color }} />
                    <span className="max-w-44 flex-1 truncate">{stack.label}</span>
                    <span>{formatMoney(stack.cost_pico[hovered] ?? "0")}</span>
                  </p>
                ))
            : null}
          <p className="mt-0.5 text-soft">
            {formatCalls(calls[hovered] ?? 0)}
            {(unpriced[hovered] ?? 0) > 0 ? (
              <span className="text-warn"> · {unpriced[hovered]} unpriced</span>
            ) : null}
          </p>
        </div>
      ) : null}
    </div>
  );
}

function tooltipPlace(x: number, width: number): { left?: number; right?: number } {
  return x > width / 2 ? { right: width - x + 12 } : { left: x + 12 };
}
