import { type ReactElement, useState } from "react";
import { useChange } from "@/shared/api/use-change";
import { wrongFields } from "@/shared/api/wrong-fields";
import { Modal, Refusal } from "@/shared/ui/dialogs/Modal";
import { MainButton, SideButton } from "@/shared/ui/forms/buttons";
import { Choice, TextField } from "@/shared/ui/forms/fields";
import { type OwnPrice, PRICES, setPrice } from "./queries";

interface PriceDialogProps {
  model: string;
  /** Names of prices that are missing: `input`, `output`, `cache_read`. */
  missing: readonly string[];
  /** The day of the first call without a price. */
  from: string;
  close: () => void;
}

const PER: readonly (readonly [string, string])[] = [
  ["1m", "a million tokens"],
  ["1k", "a thousand tokens"],
  ["token", "one token"],
  ["call", "one call"],
  ["minute", "one minute"],
];

/** A price of one's own, checked as the command checks it. Calls that have a price keep it. */
export function PriceDialog({ model, missing, from, close }: PriceDialogProps): ReactElement {
  const names = [...new Set([...(missing.length === 0 ? ["input", "output"] : missing)])];
  const [said, setSaid] = useState<OwnPrice>({
    model,
    rates: Object.fromEntries(names.map((name) => [name, ""])),
    per: "1m",
    from,
  });
  const save = useChange(setPrice, [PRICES], close);
  const rates = Object.fromEntries(Object.entries(said.rates).filter(([, usd]) => usd.trim() !== ""));
  const ready = Object.keys(rates).length > 0 && said.model.trim() !== "";
  return (
    <Modal title={`Price of ${model || "a model"}`} close={close}>
      <form
        className="mt-4 flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          if (ready && !save.isPending) save.mutate({ ...said, rates });
        }}
      >
        <TextField
          label="Model"
          value={said.model}
          required
          change={(value) => setSaid({ ...said, model: value })}
          hint="A model, provider/model, or my-llm/*"
        />
        <div className="grid grid-cols-2 gap-3">
          {names.map((name) => (
            <TextField
              key={name}
              label={`${name.replaceAll("_", " ")}, US dollars`}
              value={said.rates[name] ?? ""}
              placeholder="2.50"
              change={(usd) => setSaid({ ...said, rates: { ...said.rates, [name]: usd.trim() } })}
            />
          ))}
        </div>
        <div className="grid grid-cols-2 gap-3">
          <Choice label="For" value={said.per} change={(per) => setSaid({ ...said, per })} choices={PER} />
          <TextField
            label="From"
            value={said.from}
            placeholder="ever"
            change={(value) => setSaid({ ...said, from: value.trim() })}
            hint="A date, or ever"
          />
        </div>
        <Refusal error={save.error} />
        {save.error !== null && wrongFields(save.error).length > 0 ? (
          <p className="text-[12.5px] text-soft">Nothing was written.</p>
        ) : null}
        <div className="mt-2 flex flex-wrap justify-end gap-2">
          <SideButton onClick={close}>Cancel</SideButton>
          <MainButton type="submit" disabled={!ready || save.isPending}>
            {save.isPending ? "Checking…" : "Set the price"}
          </MainButton>
        </div>
      </form>
    </Modal>
  );
}
