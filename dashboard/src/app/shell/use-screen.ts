import { useMatches } from "@tanstack/react-router";
import { SCREENS, type Screen } from "../screens";

/** Return the screen that is drawn now: while the next one loads, it is the one before. */
export function useScreen(): Screen | undefined {
  const id: unknown = useMatches({ select: (matches) => matches.at(-1)?.routeId });
  return SCREENS.find(({ path }) => path === id);
}
