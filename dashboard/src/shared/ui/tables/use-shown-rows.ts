import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, useEffect, useLayoutEffect, useRef, useState } from "react";

/** As many rows as a table has before only those in sight are drawn. */
export const ROWS_DRAWN = 200;
const ROW_HEIGHT = 37;

export interface ShownRows {
  /** The rows that are drawn, by their places. */
  places: readonly number[];
  /** How much room the rows above and below take that are not drawn. */
  above: number;
  below: number;
  /** What each drawn row is measured by. */
  measure: ((row: HTMLElement | null) => void) | undefined;
  /** Bring a row into sight and move the focus to it. */
  focus: (place: number) => void;
}

/** Which rows of a table are drawn: all of a short one, of a long one those in sight. */
export function useShownRows(count: number, body: RefObject<HTMLTableSectionElement | null>): ShownRows {
  const isLong = count > ROWS_DRAWN;
  const [margin, setMargin] = useState(0);
  const wanted = useRef<number | null>(null);
  const rows = useWindowVirtualizer({
    count: isLong ? count : 0,
    estimateSize: () => ROW_HEIGHT,
    overscan: 20,
    scrollMargin: margin,
  });
  useLayoutEffect(() => {
    if (!isLong) return;
    const top = body.current?.getBoundingClientRect().top ?? 0;
    setMargin(Math.round(top + window.scrollY));
  });
  const reach = (): void => {
    const row = body.current?.querySelector<HTMLElement>(`[data-index="${wanted.current}"]`);
    if (row == null) return; // it is drawn once the window has scrolled there
    wanted.current = null;
    row.focus({ preventScroll: isLong });
  };
  useEffect(reach);
  const focus = (place: number): void => {
    wanted.current = place;
    if (isLong) rows.scrollToIndex(place, { align: "auto" });
    reach();
  };
  if (!isLong) {
    return {
      places: Array.from({ length: count }, (_, at) => at),
      above: 0,
      below: 0,
      measure: undefined,
      focus,
    };
  }
  const shown = rows.getVirtualItems();
  return {
    places: shown.map(({ index }) => index),
    above: Math.max((shown[0]?.start ?? margin) - margin, 0),
    below: Math.max(rows.getTotalSize() - ((shown.at(-1)?.end ?? margin) - margin), 0),
    measure: rows.measureElement,
    focus,
  };
}

/** Keep columns from changing their widths while a long table's rows come and go; only wider ones widen them. */
export function useSteadyColumns(isLong: boolean, head: RefObject<HTMLTableRowElement | null>): void {
  useLayoutEffect(() => {
    const cells = [...(head.current?.cells ?? [])];
    const release = (): void => {
      for (const cell of cells) cell.style.minWidth = "";
    };
    if (!isLong) return release();
    const widths = cells.map((cell) => cell.offsetWidth);
    for (const [at, cell] of cells.entries()) cell.style.minWidth = `${widths[at]}px`;
    window.addEventListener("resize", release);
    return () => window.removeEventListener("resize", release);
  });
}
