import type { ReactElement } from "react";
import { formatCount } from "@/shared/format";
import { Money } from "@/shared/ui/Money";
import { type Bucket, bucketName } from "./axis";

interface ChartTableProps {
  caption: string;
  bucket: Bucket;
  tz: string;
  startsMs: readonly number[];
  total: readonly string[];
  calls: readonly number[];
  unpriced: readonly number[];
}

/** A chart as text, newest first: for ears, for copying, for exact amounts. */
export function ChartTable(props: ChartTableProps): ReactElement {
  const { caption, bucket, tz, startsMs, total, calls, unpriced } = props;
  const order = startsMs.map((_, index) => index).reverse();
  return (
    <div className="h-[190px] overflow-y-auto">
      <table className="w-full text-[13px]">
        <caption className="sr-only">{caption}</caption>
        <thead className="sticky top-0 bg-card text-left text-soft">
          <tr>
            <th className="py-1 font-medium">Time</th>
            <th className="py-1 text-right font-medium">Calls</th>
            <th className="py-1 text-right font-medium">Unpriced</th>
            <th className="py-1 text-right font-medium">Spend</th>
          </tr>
        </thead>
        <tbody>
          {order.map((index) => (
            <tr key={startsMs[index]} className="border-t border-line">
              <td className="py-1">{bucketName(startsMs[index] ?? 0, bucket, tz)}</td>
              <td className="py-1 text-right">{formatCount(calls[index] ?? 0)}</td>
              <td className="py-1 text-right">{formatCount(unpriced[index] ?? 0)}</td>
              <td className="py-1 text-right">
                <Money pico={total[index] ?? "0"} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
