import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { statusQuery } from "@/shared/api/queries";
import type { Status } from "@/shared/api/types";

/** Say it when recording is not what it should be; say nothing when it is. */
export function HealthNotice(): ReactElement | null {
  const status = useQuery(statusQuery);
  const message = status.data ? trouble(status.data) : null;
  if (message === null) return null;
  return (
    <p role="status" className="rounded-xl bg-warn-soft px-4 py-2.5 text-[13.5px] text-warn">
      {message}
    </p>
  );
}

function trouble(status: Status): string | null {
  const { ledger } = status;
  if (ledger.state === "degraded" || ledger.state === "unavailable") return ledger.message;
  const ledgerDown = status.processes.some((process) => process.name === "ledger" && process.state !== "up");
  if (ledgerDown && status.proxy_url !== null) {
    return "The ledger process is not running. Calls are recorded and will be priced when it is: type farebox up.";
  }
  if (ledger.last_seq > 0 && status.proxy_url === null) {
    return "The proxy is not running, so new calls are not metered. Type farebox up.";
  }
  const unseen = status.unmetered.find((entry) => entry.reason !== "excepted");
  return unseen?.message ?? null;
}
