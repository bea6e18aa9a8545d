import { notifyManager, type Query, useQueryClient } from "@tanstack/react-query";
import { type ReactElement, useCallback, useSyncExternalStore } from "react";
import { HealthNotice } from "@/features/capture/HealthNotice";
import type { Live } from "@/shared/live-state";
import { ErrorNotice } from "@/shared/ui/page/ErrorNotice";

/** The page's one notice: what could not be asked, else what keeps the figures from being whole. */
export function PageNotice({ live, tz }: { live: Live; tz: string }): ReactElement | null {
  const client = useQueryClient();
  const failed = useFailure();
  const silentSince = live.state === "stopped" ? live.heardAt : null;
  if (failed !== null && silentSince === null) {
    return <ErrorNotice error={failed} retry={() => void client.refetchQueries({ predicate: hasFailed })} />;
  }
  return <HealthNotice silentSince={silentSince} tz={tz} />;
}

/** Return the error of what the screen shows and could not have, null where there is none. */
function useFailure(): Error | null {
  const cache = useQueryClient().getQueryCache();
  const subscribe = useCallback(
    (told: () => void) => cache.subscribe(notifyManager.batchCalls(told)),
    [cache],
  );
  return useSyncExternalStore(subscribe, () => cache.getAll().find(hasFailed)?.state.error ?? null);
}

/** A question whose screen says itself what went wrong has `meta.saysItself`. */
function hasFailed(query: Query): boolean {
  return query.state.status === "error" && query.isActive() && query.meta?.saysItself !== true;
}
