import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { ApiError } from "@/shared/api/client";
import { statusQuery } from "@/shared/api/queries";
import type { Status } from "@/shared/api/types";
import { clock } from "@/shared/format";

interface HealthNoticeProps {
  /** When the server was last heard, in milliseconds, where it has been silent since. */
  silentSince: number | null;
  tz: string;
}

/** A notice while calls are not recorded as they should be; nothing otherwise. */
export function HealthNotice({ silentSince, tz }: HealthNoticeProps): ReactElement | null {
  const status = useQuery(statusQuery);
  const signedOut = status.error instanceof ApiError && status.error.status === 401;
  const start = status.data?.start ?? "farebox up";
  const message = signedOut
    ? status.error?.message
    : silentSince !== null
      ? `Farebox has not responded since ${clock(new Date(silentSince), tz, true)}: everything below is from then. ` +
        `If it does not run any more, type: ${start}`
      : status.data && trouble(status.data);
  if (!message) return null;
  return (
    <p role="status" className="rounded-xl bg-warn-soft px-4 py-2.5 text-[13.5px] text-warn">
      {message}
    </p>
  );
}

function trouble(status: Status): string | null {
  const { ledger, start } = status;
  if (ledger.state === "degraded" || ledger.state === "unavailable") return ledger.message;
  const ledgerDown = status.processes.some((process) => process.name === "ledger" && process.state !== "up");
  if (ledgerDown && status.proxy_url !== null) {
    return `The ledger process is not running. Calls are recorded and will be priced when it is. Type: ${start}`;
  }
  if (ledger.last_seq > 0 && status.proxy_url === null) {
    return `The proxy is not running, so new calls are not metered. Type: ${start}`;
  }
  const unseen = status.unmetered.find((entry) => entry.reason !== "excepted");
  return unseen?.message ?? null;
}
