/** Light, dark, or what the system says. public/theme.js applies it before the first paint. */

import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";

const changed = new EventTarget();

/** Return the theme that is chosen now, and again when it changes. */
export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, readTheme);
}

export function readTheme(): Theme {
  const stored = localStorage.getItem("farebox.theme");
  return stored === "light" || stored === "dark" ? stored : "system";
}

export function applyTheme(theme: Theme): void {
  if (theme === "system") {
    localStorage.removeItem("farebox.theme");
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem("farebox.theme", theme);
    document.documentElement.dataset.theme = theme;
  }
  changed.dispatchEvent(new Event("change"));
}

function subscribe(told: () => void): () => void {
  changed.addEventListener("change", told);
  return () => changed.removeEventListener("change", told);
}
