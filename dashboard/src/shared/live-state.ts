/** Whether the page is current, for every screen: the layout listens to the server's events and tells them. */

import { createContext, useContext } from "react";

/** `stopped` is a `reconnecting` that has lasted. Nothing is live before the server's first event. */
export type LiveState = "connecting" | "live" | "reconnecting" | "stopped";

export interface Live {
  state: LiveState;
  /** When the server was last heard, in milliseconds since 1970; null until it was. */
  heardAt: number | null;
  /** Calls that arrived while the list was held still. */
  waiting: number;
  release: () => void;
}

export interface PageLive extends Live {
  /** Whether the user holds the lists still. */
  paused: boolean;
  setPaused: (paused: boolean) => void;
}

export const LiveContext = createContext<PageLive>({
  state: "connecting",
  heardAt: null,
  waiting: 0,
  release: () => undefined,
  paused: false,
  setPaused: () => undefined,
});

export function useLiveState(): PageLive {
  return useContext(LiveContext);
}
