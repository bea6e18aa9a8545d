/** Light, dark, or what the system says. public/theme.js applies it before the first paint. */

export type Theme = "system" | "light" | "dark";

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
}
