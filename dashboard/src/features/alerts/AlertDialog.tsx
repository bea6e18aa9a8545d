import { useMutation } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { AlertKind } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { type WrongField, wrongFields } from "@/shared/api/wrong-fields";
import { words } from "@/shared/format";
import { Modal, Refusal } from "@/shared/ui/dialogs/Modal";
import { MainButton, SideButton } from "@/shared/ui/forms/buttons";
import { Check, Choice, TextArea, TextField } from "@/shared/ui/forms/fields";
import { type AlertForm, definitionOf, newAlert, settingsOf } from "./alert-form";
import { ALERTS, setAlert, simulateDefinition } from "./queries";
import { SimulatedEvents } from "./SimulatedEvents";

const HINTS: Record<string, string> = {
  each: "Every customer, app, tag.team … is watched by itself",
  period: "hour, day, week, month, rolling 24h, session, ever",
  timezone: "In whose days and hours",
  every: "A step that repeats after the last threshold",
  over: "The span that is looked at, back from now: 10m, 1h, 7d",
  calls_min: "Fewer calls than this are no evidence",
  amount_min: "Below this nothing is news",
  sensitivity: "low, normal, high; or deviations 6, factor 2",
};
const SUBJECT: Record<string, string> = {
  budget: "Which budget",
  customer: "Whose wallet (* for each customer's)",
  dimension: "A new value of",
  span: "How long nothing has to come",
};
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

interface AlertDialogProps {
  kinds: readonly AlertKind[];
  channels: readonly string[];
  start: AlertForm;
  isNew: boolean;
  tz: string;
  close: () => void;
  done: (name: string) => void;
}

/** Write an alert: what its kind takes, what it would have told, and every mistake at its field. */
export function AlertDialog(props: AlertDialogProps): ReactElement | null {
  const { kinds, channels, start, isNew, tz, close, done } = props;
  const [said, setSaid] = useState(start);
  const form = kinds.find(({ kind }) => kind === said.kind) ?? kinds[0];
  const save = useChange(setAlert, [ALERTS], ({ name }) => done(name));
  const trial = useMutation({
    mutationFn: (kind: AlertKind) => simulateDefinition(said.name, definitionOf(said, kind), tz),
  });
  if (form === undefined) return null;
  const failed = save.error ?? trial.error;
  const wrong = wrongFields(failed);
  const badName = said.name !== "" && !NAME.test(said.name.trim());
  const put = (changes: Partial<AlertForm>): void => {
    setSaid({ ...said, ...changes });
    save.reset();
    trial.reset();
  };
  const of = (...fields: string[]): WrongField[] =>
    wrong.filter(({ field }) => fields.includes(headOf(field)));
  const known = ["name", said.kind, form.threshold_key ?? "", "where", "to", "severity", ...settingsOf(form)];
  return (
    <Modal title={isNew ? "New alert" : `Edit ${start.name}`} close={close} wide>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!badName) save.mutate({ name: said.name.trim(), definition: definitionOf(said, form) });
        }}
      >
        <div className="mt-4 grid gap-x-4 gap-y-1 sm:grid-cols-2">
          {isNew ? (
            <>
              <TextField
                label="Name"
                value={said.name}
                change={(name) => put({ name })}
                required
                placeholder={`${said.kind.replaceAll("_", "-")}-alert`}
                hint="a–z, 0–9, -, _ and ."
                wrong={
                  badName ? [{ field: "name", line: 0, words: "expected a–z, 0–9, -, _ and ." }] : of("name")
                }
              />
              <Choice
                label="Watches"
                value={said.kind}
                change={(kind) => {
                  const next = kinds.find((each) => each.kind === kind);
                  if (next) put({ ...newAlert(next, channels), name: said.name, to: said.to });
                }}
                choices={kinds.map((each) => [each.kind, each.title] as const)}
              />
            </>
          ) : null}
          <Subject
            form={form}
            value={said.subject}
            change={(subject) => put({ subject })}
            wrong={of(said.kind)}
          />
          {form.threshold_key === null ? null : (
            <TextField
              label={
                form.threshold_key === "below"
                  ? "Fires below"
                  : form.threshold_key === "by"
                    ? "Fires at a rise of"
                    : "Fires at"
              }
              value={said.at}
              change={(at) => put({ at })}
              hint={`One or several, with commas, as in ${form.example}`}
              wrong={of(form.threshold_key)}
            />
          )}
          {form.keys.includes("where") ? (
            <TextArea
              label="Only calls of"
              value={said.where}
              change={(where) => put({ where })}
              placeholder={"customer=acme\napp=ingest"}
              hint="A filter a line; empty for all calls"
              wrong={of("where")}
            />
          ) : null}
          {settingsOf(form).map((name) => (
            <TextField
              key={name}
              label={words(name)}
              value={said.settings[name] ?? ""}
              change={(text) => put({ settings: { ...said.settings, [name]: text } })}
              hint={HINTS[name]}
              wrong={of(name)}
            />
          ))}
          <Choice
            label="Severity"
            value={said.severity}
            change={(severity) => put({ severity })}
            choices={[
              ["info", "Info"],
              ["warning", "Warning"],
              ["critical", "Critical"],
            ]}
            wrong={of("severity")}
          />
          <fieldset className="text-[13px] text-soft">
            <legend>Tells</legend>
            <div className="mt-1 flex flex-col gap-1">
              {channels.map((channel) => (
                <Check
                  key={channel}
                  label={channel}
                  checked={said.to.includes(channel)}
                  change={(told) =>
                    put({ to: told ? [...said.to, channel] : said.to.filter((each) => each !== channel) })
                  }
                />
              ))}
              {channels.length === 0 ? (
                <p>
                  There is no channel yet. Make one, and it can be chosen here:{" "}
                  <code className="font-mono text-[12px]">farebox outbox receivers add</code>
                </p>
              ) : null}
              {of("to").map(({ words: why }) => (
                <p key={why} role="alert" className="text-[12px] text-bad">
                  {why}
                </p>
              ))}
            </div>
          </fieldset>
        </div>
        <section aria-label="Simulation" aria-live="polite" className="mt-3">
          {trial.data ? <SimulatedEvents found={trial.data} tz={tz} /> : null}
          {trial.isPending ? (
            <p className="text-[13px] text-soft">Asking the record of the last 30 days…</p>
          ) : null}
        </section>
        <Refusal
          error={failed}
          told={wrong.map(({ field }) => field).filter((field) => known.includes(headOf(field)))}
        />
        <div className="sticky -bottom-6 -mx-6 mt-5 -mb-6 flex flex-wrap justify-end gap-2 border-t border-line bg-card px-6 py-4">
          <SideButton onClick={close}>Cancel</SideButton>
          <SideButton disabled={trial.isPending} onClick={() => trial.mutate(form)}>
            Simulate the last 30 days
          </SideButton>
          <MainButton type="submit" disabled={save.isPending}>
            {save.isPending ? "Working…" : "Set the alert"}
          </MainButton>
        </div>
      </form>
    </Modal>
  );
}

interface SubjectProps {
  form: AlertKind;
  value: string;
  change: (value: string) => void;
  wrong: readonly WrongField[];
}

/** What exactly is watched, where the kind does not say it all. */
function Subject({ form, value, change, wrong }: SubjectProps): ReactElement | null {
  if (form.open !== null) {
    return (
      <TextField label={SUBJECT[form.open] ?? "Which"} value={value} change={change} required wrong={wrong} />
    );
  }
  if (form.words.length < 2) return null;
  return (
    <Choice
      label="Of"
      value={value}
      change={change}
      choices={form.words.map((each) => [each, words(each)] as const)}
      wrong={wrong}
    />
  );
}

function headOf(field: string): string {
  return field.split(/[.[]/)[0] ?? "";
}
