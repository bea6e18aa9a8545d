import { useMutation } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { useChange } from "@/shared/api/use-change";
import { type WrongField, wrongFields } from "@/shared/api/wrong-fields";
import { Modal, Refusal } from "@/shared/ui/dialogs/Modal";
import { MainButton, SideButton } from "@/shared/ui/forms/buttons";
import { Choice, TextArea, TextField } from "@/shared/ui/forms/fields";
import { type BudgetForm, settingsOf } from "./budget-form";
import { BUDGET, BUDGETS, SIMULATION, setBudget, simulate } from "./queries";
import { SimulationFound } from "./SimulationFound";

const FIELDS = [
  ...["name", "limit", "period", "timezone", "where", "each", "exempt"],
  ...["mode", "stream", "unpriced", "ceiling", "wait", "reserve"],
];
const PERIODS = ["hour", "day", "week", "month", "rolling 24h", "session", "ever"];
const DIMENSIONS = [
  ...["customer", "user", "agent", "parent_agent", "session", "task", "project", "branch"],
  ...["app", "key", "model", "provider", "process"],
];
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

interface BudgetDialogProps {
  start: BudgetForm;
  isNew: boolean;
  tz: string;
  close: () => void;
  done: (name: string) => void;
}

/** Set a budget: every setting, what it would have done, and every mistake at its field. */
export function BudgetDialog({ start, isNew, tz, close, done }: BudgetDialogProps): ReactElement {
  const [form, setForm] = useState(start);
  const save = useChange(setBudget, [BUDGETS, BUDGET, SIMULATION], ({ name }) => done(name));
  const trial = useMutation({ mutationFn: () => simulate(settingsOf(form), tz) });
  const badName = form.name !== "" && !NAME.test(form.name.trim());
  const failed = save.error ?? trial.error;
  const wrong = wrongFields(failed);
  const of = (field: string): WrongField[] =>
    wrong.filter(
      (each) =>
        each.field === field || each.field.startsWith(`${field}.`) || each.field.startsWith(`${field}[`),
    );
  const put = (changes: Partial<BudgetForm>): void => {
    setForm({ ...form, ...changes });
    trial.reset();
    save.reset();
  };
  return (
    <Modal title={isNew ? "New budget" : `Edit ${start.name}`} close={close} wide>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!badName) save.mutate(settingsOf(form));
        }}
      >
        <div className="mt-4 grid gap-x-4 gap-y-1 sm:grid-cols-2">
          {isNew ? (
            <TextField
              label="Name"
              value={form.name}
              change={(name) => put({ name })}
              required
              placeholder="acme-daily"
              hint="a–z, 0–9, -, _ and ."
              wrong={
                badName ? [{ field: "name", line: 0, words: "expected a–z, 0–9, -, _ and ." }] : of("name")
              }
            />
          ) : null}
          <TextField
            label="Limit in dollars"
            value={form.limit}
            change={(limit) => put({ limit })}
            required
            placeholder="25.00"
            wrong={of("limit")}
          />
          <Choice
            label="Measures"
            value={form.measure}
            change={(measure) => put({ measure })}
            choices={[
              ["cost", "What providers charge"],
              ["price", "What the customer is charged"],
            ]}
          />
          <TextField
            label="Period"
            value={form.period}
            change={(period) => put({ period })}
            options={PERIODS}
            required
            hint="hour, day, week, month, rolling 24h, session, ever"
            wrong={of("period")}
          />
          <TextField
            label="Time zone"
            value={form.timezone}
            change={(timezone) => put({ timezone })}
            hint="In whose days and hours it resets"
            wrong={of("timezone")}
          />
          <TextField
            label="Each"
            value={form.each}
            change={(each) => put({ each })}
            options={DIMENSIONS}
            hint="Every session, user, tag.team … has the limit for itself"
            wrong={of("each")}
          />
          <TextArea
            label="Only calls of"
            value={form.where}
            change={(where) => put({ where })}
            placeholder={"customer=acme\nmodel=gpt-4o*"}
            hint="A filter a line; empty for all calls"
            wrong={of("where")}
          />
          <TextField
            label="Exempt keys"
            value={form.exempt}
            change={(exempt) => put({ exempt })}
            hint="Names or fingerprints, with commas"
            wrong={of("exempt")}
          />
          <Choice
            label="At the limit"
            value={form.mode}
            change={(mode) => put({ mode })}
            choices={[
              ["hard", "Block calls"],
              ["soft", "Only warn and count"],
            ]}
            wrong={of("mode")}
          />
          <Choice
            label="Streams that pass it"
            value={form.stream}
            change={(stream) => put({ stream })}
            choices={[
              ["cut", "Are cut"],
              ["finish", "May finish"],
            ]}
            wrong={of("stream")}
          />
          <Choice
            label="Calls without a price"
            value={form.unpriced}
            change={(unpriced) => put({ unpriced })}
            choices={[
              ["ceiling", "Count as the most they can cost"],
              ["block", "Are blocked"],
              ["allow", "Pass"],
            ]}
            wrong={of("unpriced")}
          />
          <TextField
            label="Wait for room"
            value={form.wait}
            change={(wait) => put({ wait })}
            hint="Before a call is refused: 20s, 2m; up to 1h"
            wrong={of("wait")}
          />
          <Choice
            label="Set aside for a call"
            value={form.reserve}
            change={(reserve) => put({ reserve })}
            choices={[
              ["worst", "The most it can cost: the limit holds"],
              ["likely", "What it usually costs: the limit may be passed"],
            ]}
            wrong={of("reserve")}
          />
          {form.unpriced === "ceiling" ? (
            <TextField
              label="Ceiling in dollars"
              value={form.ceiling}
              change={(ceiling) => put({ ceiling })}
              hint="Empty: the highest price known of its provider"
              wrong={of("ceiling")}
            />
          ) : null}
        </div>
        <section aria-label="Simulation" aria-live="polite" className="mt-3">
          {trial.data ? <SimulationFound found={trial.data} tz={tz} /> : null}
          {trial.isPending ? (
            <p className="text-[13px] text-soft">Asking the record of the last 30 days…</p>
          ) : null}
        </section>
        <Refusal error={failed} told={wrong.map(({ field }) => field).filter(isAtField)} />
        <div className="sticky -bottom-6 -mx-6 mt-5 -mb-6 flex flex-wrap justify-end gap-2 border-t border-line bg-card px-6 py-4">
          <SideButton onClick={close}>Cancel</SideButton>
          <SideButton disabled={trial.isPending} onClick={() => trial.mutate()}>
            Simulate the last 30 days
          </SideButton>
          <MainButton type="submit" disabled={save.isPending}>
            {save.isPending ? "Working…" : "Set the budget"}
          </MainButton>
        </div>
      </form>
    </Modal>
  );
}

/** Whether a mistake stands at a field of the form. */
function isAtField(field: string): boolean {
  return FIELDS.includes(field.split(/[.[]/)[0] ?? "");
}
