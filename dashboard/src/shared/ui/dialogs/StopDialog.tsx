import { type ReactElement, useState } from "react";
import { type Stopped, stopCalls } from "@/shared/api/stops";
import { useChange } from "@/shared/api/use-change";
import { TextField } from "@/shared/ui/forms/fields";
import { Confirm } from "./Modal";

interface StopDialogProps {
  stopped: Stopped;
  /** What else there is to say of it: its command, what it spent. */
  about?: string | undefined;
  close: () => void;
}

/** Asks once more, then refuses further calls of a session, a process or a key. */
export function StopDialog({ stopped, about, close }: StopDialogProps): ReactElement {
  const [reason, setReason] = useState("");
  const stop = useChange(
    () => stopCalls(stopped, reason.trim()),
    ["stops", "spend", "session", "budgets"],
    close,
  );
  return (
    <Confirm
      title={`Stop ${stopped.dimension} ${stopped.value}?`}
      words={[
        ...(about === undefined ? [] : [about]),
        "Its further calls are refused with status 429 within two seconds. Calls in flight end as they would.",
        "You can let it go on under Budgets.",
      ]}
      deed="Stop it"
      dangerous
      act={() => stop.mutate(undefined)}
      close={close}
      pending={stop.isPending}
      error={stop.error}
    >
      <div className="mt-4">
        <TextField
          label="Reason, for whoever's calls are refused"
          value={reason}
          change={setReason}
          placeholder="runs away"
        />
      </div>
    </Confirm>
  );
}
