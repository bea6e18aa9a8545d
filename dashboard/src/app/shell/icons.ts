/** The screens' signs in the navigation: paths on a square of 20. */

export const ICONS: Readonly<Record<string, string>> = {
  overview: "M3 16V9.5M8 16V4M13 16v-5M18 16V7",
  live: "M2 10h3.5l2-6 4 12 2.2-6H18",
  explorer: "M3 5h14M3 10h14M3 15h9",
  sessions: "M5 4v9a3 3 0 0 0 3 3h3M5 8h6M14.5 8a1.5 1.5 0 1 0 0-.01M14.5 16a1.5 1.5 0 1 0 0-.01",
  breakdown: "M3 4h14v12H3zM3 8.5h14M8 4v12",
  reliability: "M10 17a7 7 0 1 1 7-7M10 10l4-4M17 14v3M14 17h3",
  customers:
    "M7.5 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.5 16.5c.4-3 2.3-4.5 5-4.5s4.6 1.5 5 4.5M13 4a3 3 0 0 1 0 5.5M15 12.3c1.5.700 2.3 2.2 2.5 4.2",
  billing: "M5 3h10v14l-2.5-1.5L10 17l-2.5-1.5L5 17zM8 7h4M8 10.5h4",
  prices: "M3 3h7l7 7-7 7-7-7zM7 7h.01",
  budgets: "M10 17a7 7 0 1 0-7-7M10 6v4l-3 2M3 13v4h4",
  alerts: "M5 14V9a5 5 0 0 1 10 0v5l1.5 1.5h-13zM8.5 17.5h3",
  capture: "M3 10a7 7 0 0 1 14 0M6 10a4 4 0 0 1 8 0M10 10v7",
  settings: "M3 6h8M15 6h2M3 14h2M9 14h8M13 8a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM7 16a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
};
