import type { ReactElement } from "react";

interface MonthPickerProps {
  /** `2026-11`. */
  month: string;
  change: (month: string) => void;
}

/** One calendar month, and a step to the ones beside it. */
export function MonthPicker({ month, change }: MonthPickerProps): ReactElement {
  const step = "rounded-lg border border-line px-2 py-1 text-[13px] text-soft hover:bg-sunken hover:text-ink";
  return (
    <div className="flex items-center gap-1.5">
      <button
        type="button"
        aria-label="Month before"
        onClick={() => change(besides(month, -1))}
        className={step}
      >
        ←
      </button>
      <input
        type="month"
        aria-label="Month"
        value={month}
        onChange={(event) => {
          if (/^\d{4}-\d{2}$/.test(event.target.value)) change(event.target.value);
        }}
        className="rounded-lg border border-line bg-sunken px-2 py-1 text-[13px]"
      />
      <button
        type="button"
        aria-label="Month after"
        onClick={() => change(besides(month, 1))}
        className={step}
      >
        →
      </button>
    </div>
  );
}

/** Return the month so many months later. */
export function besides(month: string, by: number): string {
  const [year = 0, number = 1] = month.split("-").map((part) => Number.parseInt(part, 10));
  const at = year * 12 + number - 1 + by;
  return `${Math.floor(at / 12)}-${String((at % 12) + 1).padStart(2, "0")}`;
}

/** Return the month that runs in a zone. */
export function monthNow(tz: string, now: Date = new Date()): string {
  return now.toLocaleDateString("sv-SE", { timeZone: tz }).slice(0, 7);
}
