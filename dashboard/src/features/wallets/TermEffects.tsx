import { useMutation } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { TermPreview } from "@/shared/api/types";
import { Refusal } from "@/shared/ui/dialogs/Modal";
import { Amount } from "@/shared/ui/figures/Amount";
import { SideButton } from "@/shared/ui/forms/buttons";

interface TermEffectsProps<T> {
  said: T;
  ready: boolean;
  preview: (said: T) => Promise<TermPreview>;
}

/** What the customer's next invoices come to without and with what is about to be given. */
export function TermEffects<T>({ said, ready, preview }: TermEffectsProps<T>): ReactElement {
  const asked = useMutation({
    mutationFn: (of: T) => preview(of),
  });
  const isOld = JSON.stringify(asked.variables) !== JSON.stringify(said);
  return (
    <div className="mt-4">
      <SideButton disabled={!ready || asked.isPending} onClick={() => asked.mutate(said)}>
        {asked.isPending ? "Rating…" : "Show what it changes"}
      </SideButton>
      {isOld ? null : <Refusal error={asked.error} />}
      {asked.data && !isOld ? <Effects found={asked.data} /> : null}
    </div>
  );
}

function Effects({ found }: { found: TermPreview }): ReactElement {
  if (found.invoices.length === 0)
    return <p className="mt-3 text-[13px] text-soft">The customer's next invoice stays at nothing.</p>;
  return (
    <div className="mt-3 overflow-x-auto rounded-lg bg-sunken px-3 py-2">
      <table className="w-full text-[13px]">
        <caption className="pb-1 text-left text-[12.5px] text-soft">To be paid, by now, tax included</caption>
        <thead className="sr-only">
          <tr>
            <th scope="col">Period</th>
            <th scope="col">Without it</th>
            <th scope="col">With it</th>
          </tr>
        </thead>
        <tbody>
          {found.invoices.map((each) => (
            <tr key={each.period}>
              <th scope="row" className="py-1 text-left font-normal">
                {each.period}
                {each.status === "ended" ? <span className="text-faint"> ended, no invoice yet</span> : null}
              </th>
              <td className="py-1 pl-3 text-right whitespace-nowrap text-soft">
                <Amount text={each.before} currency={each.currency} />
              </td>
              <td className="py-1 pl-1 text-right font-medium whitespace-nowrap">
                <span aria-hidden="true">→ </span>
                <Amount text={each.after} currency={each.currency} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
