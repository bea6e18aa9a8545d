import type { ReactElement } from "react";
import { formatCount } from "@/shared/format";
import { Money } from "@/shared/ui/figures/Money";
import { type Bucket, bucketEnd, bucketName } from "./axis";
import type { Stack } from "./BarChart";

interface ChartTableProps {
  caption: string;
  bucket: Bucket;
  tz: string;
  startsMs: readonly number[];
  total: readonly string[];
  calls: readonly number[];
  unpriced: readonly number[];
  stacks: readonly Stack[];
  zoom?: (startMs: number, endMs: number, inExplorer: boolean) => void;
}

/** A chart as text, newest first: every figure it draws, for screen readers, for copying, for exact amounts. */
export function ChartTable(props: ChartTableProps): ReactElement {
  const { caption, bucket, tz, startsMs, total, calls, unpriced, stacks, zoom } = props;
  const order = startsMs.map((_, index) => index).reverse();
  const split = stacks.length > 1 ? stacks : [];
  const head = "max-w-40 truncate py-1 pl-4 text-right font-medium";
  const cell = "py-1 pl-4 text-right whitespace-nowrap";
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keys
    <div role="group" aria-label={`${caption}, table`} tabIndex={0} className="h-[250px] overflow-auto">
      <table className="w-full text-[13px]">
        <caption className="sr-only">{caption}</caption>
        <thead className="sticky top-0 bg-card text-left text-soft">
          <tr>
            <th className="py-1 font-medium">Time</th>
            <th className={head}>Calls</th>
            <th className={head}>Unpriced</th>
            <th className={head}>{split.length > 0 ? "All" : "Spend"}</th>
            {split.map((stack) => (
              <th key={stack.label} title={stack.label} className={head}>
                {stack.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {order.map((index) => (
            <tr key={startsMs[index]} className="border-t border-line">
              <td className="py-1 whitespace-nowrap">
                {zoom ? (
                  <button
                    type="button"
                    title="Show its calls"
                    onClick={() => zoom(startsMs[index] ?? 0, bucketEnd(startsMs, index, bucket), true)}
                    className="underline-offset-4 hover:underline"
                  >
                    {bucketName(startsMs[index] ?? 0, bucket, tz)}
                  </button>
                ) : (
                  bucketName(startsMs[index] ?? 0, bucket, tz)
                )}
              </td>
              <td className={cell}>{formatCount(calls[index] ?? 0)}</td>
              <td className={cell}>{formatCount(unpriced[index] ?? 0)}</td>
              <td className={cell}>
                <Money pico={total[index] ?? "0"} atLeast={(unpriced[index] ?? 0) > 0} />
              </td>
              {split.map((stack) => (
                <td key={stack.label} className={cell}>
                  {(stack.cost_pico[index] ?? "0") === "0" ? (
                    <span className="text-faint">·</span>
                  ) : (
                    <Money pico={stack.cost_pico[index] ?? "0"} />
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
