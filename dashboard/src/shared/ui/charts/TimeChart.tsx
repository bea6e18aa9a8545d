import { type ReactElement, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import "./time-chart.css";
import { clock, formatDay } from "@/shared/format";
import { useTheme } from "@/shared/ui/page/theme";
import { useWidth } from "./use-width";

export interface TimeLine {
  label: string;
  /** A custom property of the palette: `--s0`. */
  color: string;
  values: readonly (number | null)[];
  /** A thin line behind the others. */
  faint?: boolean;
}

interface TimeChartProps {
  name: string;
  /** Ascending, in milliseconds since 1970. */
  startsMs: readonly number[];
  lines: readonly TimeLine[];
  tz: string;
  /** How a value is written at the axis and under the pointer. */
  format: (value: number) => string;
  /** Called with a span that was chosen by dragging, in milliseconds. */
  choose?: (sinceMs: number, untilMs: number) => void;
}

const HEIGHT = 240;
const DAY_S = 86_400;

/** Lines over time on a canvas: a hundred thousand points redraw at once. Missing values are gaps. */
export function TimeChart(props: TimeChartProps): ReactElement {
  const { name, startsMs, lines, tz, format } = props;
  const [measure, width] = useWidth<HTMLDivElement>(800);
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const theme = `${useTheme()} ${useDarkSystem()}`;
  const data = useMemo(
    () => [startsMs.map((ms) => ms / 1000), ...lines.map(({ values }) => values)] as uPlot.AlignedData,
    [startsMs, lines],
  );
  const drawn = lines.map(({ label, color, faint }) => `${label}${color}${faint}`).join();

  // biome-ignore lint/correctness/useExhaustiveDependencies: another theme has other colours, other lines another plot
  useEffect(() => {
    if (place.current === null) return;
    const made = new uPlot(optionsOf(latest.current, width), data, place.current);
    plot.current = made;
    return () => {
      plot.current = null;
      made.destroy();
    };
  }, [drawn, theme, tz, format]);
  useEffect(() => plot.current?.setData(data), [data]);
  useEffect(() => plot.current?.setSize({ width, height: HEIGHT }), [width]);

  return (
    <div ref={measure} className="min-w-0 overflow-hidden">
      <div ref={place} role="img" aria-label={name} />
    </div>
  );
}

function optionsOf(props: TimeChartProps, width: number): uPlot.Options {
  const { lines, tz, format } = props;
  const styles = getComputedStyle(document.documentElement);
  const colorOf = (property: string): string => styles.getPropertyValue(property).trim();
  const font = `11.5px ${styles.getPropertyValue("--font-sans") || "sans-serif"}`;
  const axis = { stroke: colorOf("--soft"), font, ticks: { show: false } };
  const grid = { stroke: colorOf("--line"), width: 1 };
  return {
    width,
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), tz),
    cursor: { y: false, drag: { x: props.choose !== undefined, y: false } },
    hooks: {
      setSelect: [
        (plot) => {
          const { left, width: chosen } = plot.select;
          if (chosen < 4) return;
          const at = (pixel: number): number => plot.posToVal(pixel, "x") * 1000;
          props.choose?.(at(left), at(left + chosen));
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
    scales: { y: { range: (_, __, most) => [0, Math.max(most ?? 0, 1) * 1.05] } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        values: (_, splits) => splits.map((second, index) => timeOf(second, splits[index + 1] ?? null, tz)),
      },
      {
        ...axis,
        grid,
        size: 64,
        values: (_, splits) => splits.map((value) => (value === 0 ? "0" : format(value))),
      },
    ],
    series: [
      { value: (_, second) => (second === null ? "–" : wholeTime(second, tz)) },
      ...lines.map((line) => ({
        label: line.label,
        stroke: colorOf(line.color),
        width: line.faint ? 1 : 1.5,
        spanGaps: false,
        points: { size: 5 },
        value: (_: uPlot, value: number | null) => (value === null ? "–" : format(value)),
      })),
    ],
  };
}

function timeOf(second: number, next: number | null, tz: string): string {
  const moment = new Date(second * 1000);
  return next !== null && next - second >= DAY_S ? formatDay(moment, tz) : midnightOr(moment, tz);
}

function midnightOr(moment: Date, tz: string): string {
  const time = clock(moment, tz);
  return time === "00:00" ? formatDay(moment, tz) : time;
}

function wholeTime(second: number, tz: string): string {
  const moment = new Date(second * 1000);
  return `${formatDay(moment, tz)} ${clock(moment, tz)}`;
}

const DARK = "(prefers-color-scheme: dark)";

/** Whether the system is dark: a canvas does not follow it by itself. */
function useDarkSystem(): boolean {
  return useSyncExternalStore(
    (told) => {
      const media = window.matchMedia?.(DARK);
      media?.addEventListener("change", told);
      return () => media?.removeEventListener("change", told);
    },
    () => window.matchMedia?.(DARK).matches ?? false,
  );
}
