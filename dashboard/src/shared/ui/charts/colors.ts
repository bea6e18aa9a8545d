/** Colours of series: distinct for colour-blind people too; the rest is always grey. */

const PALETTE = ["var(--s0)", "var(--s1)", "var(--s2)", "var(--s3)", "var(--s4)", "var(--s5)"];
export const REST_COLOR = "var(--s6)";

export function seriesColor(index: number): string {
  return PALETTE[index] ?? REST_COLOR;
}
