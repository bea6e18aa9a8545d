import { useMutation } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { AlertView, SnoozeView } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { formatMoment } from "@/shared/format";
import { Confirm, Refusal } from "@/shared/ui/dialogs/Modal";
import { Facts, SidePanel } from "@/shared/ui/dialogs/SidePanel";
import { DangerButton, SideButton, TextButton } from "@/shared/ui/forms/buttons";
import { Choice, TextField } from "@/shared/ui/forms/fields";
import { Problems } from "@/shared/ui/forms/Problems";
import {
  ALERT_EVENTS,
  ALERTS,
  removeAlert,
  simulateAlert,
  snoozeAlert,
  testAlert,
  unsnoozeAlert,
} from "./queries";
import { SimulatedEvents } from "./SimulatedEvents";
import { SeverityMark, StateChip } from "./states";

interface AlertPanelProps {
  alert: AlertView;
  tz: string;
  mayChange: boolean;
  edit: () => void;
  close: () => void;
}

/** One alert: what it watches, what fires, who is told; and what it would have told. */
export function AlertPanel({ alert, tz, mayChange, edit, close }: AlertPanelProps): ReactElement {
  const [asked, setAsked] = useState<"snooze" | "remove" | null>(null);
  const [snoozed, setSnoozed] = useState<string | null>(null);
  const trial = useMutation({ mutationFn: () => testAlert(alert.name) });
  const simulation = useMutation({ mutationFn: () => simulateAlert(alert.name, tz) });
  const remove = useChange(removeAlert, [ALERTS, ALERT_EVENTS], close);
  const unsnooze = useChange(unsnoozeAlert, [ALERTS]);
  return (
    <SidePanel title={alert.name} close={close}>
      <div className="flex flex-col gap-5 text-[13px]">
        <Problems problems={alert.problems} />
        <Facts
          rows={[
            ["State", <StateChip key="state" alert={alert} />],
            ["Watches", alert.watches],
            ["Of", alert.whose || "everything"],
            ["Severity", <SeverityMark key="severity" severity={alert.severity} />],
            ["Tells", alert.to.join(", ") || "nobody: it is on this page only"],
            ["Set by", alert.origin === "command" ? "command or API" : alert.origin],
          ]}
        />
        {alert.firing.length > 0 ? (
          <section>
            <h3 className="font-medium">Firing now</h3>
            <ul className="mt-1 flex flex-col gap-1.5">
              {alert.firing.map((each) => (
                <li key={`${each.value} ${each.since} ${each.words}`}>
                  {each.words}
                  <span className="block text-[12px] text-faint">
                    since {formatMoment(each.since, tz)}
                    {mayChange && each.value !== null ? (
                      <TextButton
                        className="ml-2 !text-[12px]"
                        onClick={() => {
                          setSnoozed(each.value);
                          setAsked("snooze");
                        }}
                      >
                        Snooze {each.value}
                      </TextButton>
                    ) : null}
                  </span>
                </li>
              ))}
            </ul>
            {alert.more_firing > 0 ? <p className="text-faint">and {alert.more_firing} more</p> : null}
          </section>
        ) : null}
        {alert.snoozes.length > 0 ? (
          <section>
            <h3 className="font-medium">Snoozed</h3>
            <ul className="mt-1 flex flex-col gap-1.5">
              {alert.snoozes.map((each) => (
                <li key={`${each.value}`}>
                  {snoozeWords(each, tz)}
                  {mayChange ? (
                    <TextButton
                      className="ml-2"
                      disabled={unsnooze.isPending}
                      onClick={() => unsnooze.mutate({ name: alert.name, value: each.value })}
                    >
                      Tell again
                    </TextButton>
                  ) : null}
                </li>
              ))}
            </ul>
            <Refusal error={unsnooze.error} />
          </section>
        ) : null}
        <section aria-live="polite">
          <h3 className="font-medium">The last 30 days</h3>
          {simulation.data ? (
            <SimulatedEvents found={simulation.data} tz={tz} />
          ) : (
            <SideButton className="mt-2" disabled={simulation.isPending} onClick={() => simulation.mutate()}>
              {simulation.isPending ? "Asking the record…" : "What would it have told?"}
            </SideButton>
          )}
          <Refusal error={simulation.error} />
        </section>
        {mayChange ? (
          <section aria-live="polite">
            <div className="flex flex-wrap gap-2">
              <SideButton
                disabled={trial.isPending || alert.to.length === 0}
                title={alert.to.length === 0 ? "It names no channel" : undefined}
                onClick={() => trial.mutate()}
              >
                {trial.isPending ? "Sending…" : "Send a test"}
              </SideButton>
              <SideButton
                onClick={() => {
                  setSnoozed(null);
                  setAsked("snooze");
                }}
              >
                Snooze…
              </SideButton>
              {alert.origin === "command" ? (
                <>
                  <SideButton onClick={edit}>Edit</SideButton>
                  <DangerButton onClick={() => setAsked("remove")}>Remove</DangerButton>
                </>
              ) : null}
            </div>
            {alert.origin === "command" ? null : (
              <p className="mt-2 text-soft">
                It stands in <span className="font-mono text-[12px]">{alert.origin}</span>: change it there.
              </p>
            )}
            {trial.data ? (
              <ul className="mt-2 flex flex-col gap-1">
                {trial.data.channels.map((each) => (
                  <li key={each.receiver}>
                    <span className="font-medium">{each.receiver}</span>{" "}
                    <span className={each.outcome === "arrived" ? "text-accent" : "text-bad"}>
                      {OUTCOMES[each.outcome] ?? each.outcome}
                    </span>
                    {each.reason ? `: ${each.reason}` : ""}
                  </li>
                ))}
              </ul>
            ) : null}
            <Refusal error={trial.error} />
          </section>
        ) : null}
      </div>
      {asked === "snooze" ? (
        <SnoozeDialog alert={alert} value={snoozed} close={() => setAsked(null)} />
      ) : null}
      {asked === "remove" ? (
        <Confirm
          title={`Remove ${alert.name}?`}
          words={["Nobody is told of this any more. Its history stays."]}
          deed="Remove the alert"
          dangerous
          act={() => remove.mutate(alert.name)}
          close={() => setAsked(null)}
          pending={remove.isPending}
          error={remove.error}
        />
      ) : null}
    </SidePanel>
  );
}

const OUTCOMES: Record<string, string> = {
  arrived: "received the test",
  waits: "gets it once Farebox runs",
  stopped: "is stopped",
  failed: "did not receive it",
};

function snoozeWords(said: SnoozeView, tz: string): string {
  const whom = said.value === null ? "All of it" : said.value;
  const why = said.reason ? `: ${said.reason}` : "";
  return `${whom} until ${formatMoment(said.until, tz)}, by ${said.by}${why}`;
}

const SPANS = [
  ["1h", "1 hour"],
  ["8h", "8 hours"],
  ["24h", "1 day"],
  ["7d", "7 days"],
] as const;

interface SnoozeDialogProps {
  alert: AlertView;
  value: string | null;
  close: () => void;
}

function SnoozeDialog({ alert, value, close }: SnoozeDialogProps): ReactElement {
  const [span, setSpan] = useState("24h");
  const [reason, setReason] = useState("");
  const snooze = useChange(snoozeAlert, [ALERTS], close);
  return (
    <Confirm
      title={value === null ? `Snooze ${alert.name}` : `Snooze ${alert.name} for ${value}`}
      words={["It is still watched and kept in the history, and nobody is told."]}
      deed="Snooze"
      act={() => snooze.mutate({ name: alert.name, span, value: value ?? "", reason })}
      close={close}
      pending={snooze.isPending}
      error={snooze.error}
    >
      <div className="mt-3 flex flex-col gap-1">
        <Choice label="For" value={span} change={setSpan} choices={SPANS} />
        <TextField label="Why" value={reason} change={setReason} />
      </div>
    </Confirm>
  );
}
