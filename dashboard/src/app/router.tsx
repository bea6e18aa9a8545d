import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  type RouterHistory,
} from "@tanstack/react-router";
import { SCREENS } from "./screens";
import { Layout } from "./shell/Layout";
import { NoSuchScreen, ScreenFailed, ScreenSkeleton } from "./shell/placeholders";

const root = createRootRoute({ component: Layout, notFoundComponent: NoSuchScreen });

const routeTree = root.addChildren(
  SCREENS.map(({ path, load }) =>
    createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load) }),
  ),
);

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
    defaultPreload: "intent",
    defaultPendingMs: 200,
    defaultPendingComponent: ScreenSkeleton,
    defaultErrorComponent: ScreenFailed,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
