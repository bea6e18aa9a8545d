import type { ReactElement } from "react";
import { applyTheme, type Theme, useTheme } from "@/shared/ui/page/theme";

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const ICON: Record<Theme, string> = {
  system: "M3 4h14v9H3zM7 16.5h6M10 13v3.5",
  light:
    "M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.3 4.3l1.1 1.1M14.6 14.6l1.1 1.1M4.3 15.7l1.1-1.1M14.6 5.4l1.1-1.1",
  dark: "M16 11.8A6.5 6.5 0 1 1 8.2 4a5.2 5.2 0 0 0 7.8 7.8z",
};

/** Switch from system to light to dark and back. */
export function ThemeSwitch(): ReactElement {
  const theme = useTheme();
  const next = NEXT[theme];
  return (
    <button
      type="button"
      aria-label={`Theme: ${theme}. Change to ${next}.`}
      title={`Theme: ${theme}`}
      onClick={() => applyTheme(next)}
      className="grid size-8 place-items-center rounded-lg text-soft hover:bg-sunken hover:text-ink"
    >
      <svg
        width="18"
        height="18"
        viewBox="0 0 20 20"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
      >
        <path d={ICON[theme]} />
      </svg>
    </button>
  );
}
