/** Refuse the calls of a session, a process or a key, and let them pass again. */

import { send } from "./client";
import type { StopState } from "./types";

export interface Stopped {
  /** What calls can be stopped by: `session`, `key`, `user` … */
  dimension: string;
  value: string;
}

export function stopCalls({ dimension, value }: Stopped, reason: string): Promise<StopState> {
  return send("POST", "stops", { [dimension]: value, ...(reason === "" ? {} : { reason }) });
}
