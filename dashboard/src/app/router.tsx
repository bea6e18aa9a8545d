import { createRootRoute, createRoute, createRouter, type RouterHistory } from "@tanstack/react-router";
import { readSearch } from "@/shared/search/search";
import { OverviewPage } from "./OverviewPage";

const root = createRootRoute();
const overview = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: OverviewPage,
  validateSearch: (raw: Record<string, unknown>) => readSearch(raw),
});

const routeTree = root.addChildren([overview]);

/** Plain `name=value` addresses, the same as the command line's flags and the API's parameters. */
export function makeRouter(history?: RouterHistory) {
  return createRouter({
    routeTree,
    ...(history ? { history } : {}),
    parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
    stringifySearch: (search) => {
      const given = Object.entries(search).filter(([, value]) => value !== undefined);
      const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
      return text ? `?${text}` : "";
    },
    scrollRestoration: false,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
