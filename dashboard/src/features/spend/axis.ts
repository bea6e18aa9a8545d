/** Words for the buckets of a chart. */

import { clock, formatDay } from "@/shared/format";
import type { Bucket } from "@/shared/search/search";

export type { Bucket };

const STEPS: Record<Bucket, readonly number[]> = {
  minute: [1, 5, 10, 15, 30, 60],
  hour: [1, 2, 3, 6, 12, 24, 48, 72, 168],
  day: [1, 2, 3, 5, 7, 10, 14, 31],
};

export interface XLabel {
  index: number;
  text: string;
}

/** Return at most `room` labels, on round times of the zone. */
export function xLabels(startsMs: readonly number[], bucket: Bucket, tz: string, room: number): XLabel[] {
  const wanted = Math.max(Math.floor(room), 2);
  const step = STEPS[bucket].find((size) => startsMs.length / size <= wanted) ?? startsMs.length;
  const labels: XLabel[] = [];
  startsMs.forEach((start, index) => {
    const moment = new Date(start);
    if (isRound(moment, bucket, step, tz, index))
      labels.push({ index, text: labelOf(moment, bucket, step, tz) });
  });
  return labels;
}

function isRound(moment: Date, bucket: Bucket, step: number, tz: string, index: number): boolean {
  if (bucket === "day") return index % step === 0;
  const [hour = 0, minute = 0] = clock(moment, tz).split(":").map(Number);
  if (bucket === "minute") return (hour * 60 + minute) % step === 0;
  if (step <= 24) return hour % step === 0;
  const day = Math.floor((moment.getTime() + hour) / 86_400_000);
  return hour === 0 && day % (step / 24) === 0;
}

function labelOf(moment: Date, bucket: Bucket, step: number, tz: string): string {
  if (bucket === "day" || (bucket === "hour" && step >= 24)) return formatDay(moment, tz);
  return clock(moment, tz);
}

/** Return the whole name of a bucket: `14:05`, `14:00–15:00`, `Fri 7 Nov`. */
export function bucketName(startMs: number, bucket: Bucket, tz: string): string {
  const start = new Date(startMs);
  if (bucket === "minute") return clock(start, tz);
  const weekday = start.toLocaleDateString("en-GB", { timeZone: tz, weekday: "short" });
  const day = `${weekday} ${formatDay(start, tz)}`;
  if (bucket === "day") return day;
  return `${day}, ${clock(start, tz)}–${clock(new Date(startMs + 3_600_000), tz)}`;
}

const LENGTH_MS: Record<Bucket, number> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** Return where a bucket ends: where the next one starts, for a day can have 23 or 25 hours. */
export function bucketEnd(startsMs: readonly number[], index: number, bucket: Bucket): number {
  return startsMs[index + 1] ?? (startsMs[index] ?? 0) + LENGTH_MS[bucket];
}
