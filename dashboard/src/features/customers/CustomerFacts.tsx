import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { CustomerState, IdentityState } from "@/shared/api/types";
import { Facts } from "@/shared/ui/dialogs/SidePanel";
import { Meter } from "@/shared/ui/figures/Meter";
import { Money } from "@/shared/ui/figures/Money";
import { Copyable } from "@/shared/ui/page/Copyable";
import { KeyName } from "@/shared/ui/page/KeyName";
import type { UsedBudget } from "./customer-rows";

/** Who a customer is. */
export function CustomerFacts({ customer }: { customer: CustomerState }): ReactElement {
  return (
    <Facts
      rows={[
        [
          "Name in calls",
          <span key="id" className="font-mono text-[12.5px]">
            {customer.id}
          </span>,
        ],
        ["Currency", customer.currency],
        ["Time zone", customer.timezone],
        ["Tax", customer.tax_percent === "0" ? "none" : `${customer.tax_percent} %`],
        ["E-mail", customer.email],
        ["Address", customer.address.join(", ")],
        ["Tax ID", customer.tax_id],
        ...Object.entries(customer.external_ids).map(([name, id]) => [`In ${name}`, id] as const),
        ...Object.entries(customer.metadata),
        ["Set by", customer.origin === "command" ? "command or API" : customer.origin],
      ]}
    />
  );
}

/** Which keys, users, agents and tags stand for a customer, and since when. */
export function Identities({ customer }: { customer: CustomerState }): ReactElement {
  return (
    <div className="text-[13px]">
      {customer.identities.length === 0 ? (
        <p className="mb-3 text-soft">
          Nothing stands for it: its calls are those that name “{customer.id}” themselves. A bound key proves
          whose calls they are.
        </p>
      ) : (
        <table className="mb-3 w-full">
          <caption className="sr-only">What stands for {customer.name || customer.id}</caption>
          <thead className="text-left text-[12.5px] text-soft">
            <tr>
              <th scope="col" className="pb-1 font-medium">
                What
              </th>
              <th scope="col" className="pb-1 pl-3 font-medium">
                Which
              </th>
              <th scope="col" className="pb-1 pl-3 text-right font-medium">
                When
              </th>
            </tr>
          </thead>
          <tbody>
            {customer.identities.map((each) => (
              <tr
                key={`${each.dimension} ${each.value} ${each.since}`}
                className="border-t border-line align-baseline"
              >
                <td className="py-1.5 whitespace-nowrap text-soft">
                  {each.dimension.replace("tag.", "tag ")}
                </td>
                <td className="py-1.5 pl-3 break-all">
                  {each.dimension === "key" ? <KeyName fingerprint={each.value} /> : each.value}
                </td>
                <td className="py-1.5 pl-3 text-right text-soft">{whenOf(each)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Copyable text={`farebox customers map ${shell(customer.id)} --user NAME`} label="Map a user" />
    </div>
  );
}

function whenOf({ since, until }: IdentityState): string {
  const from = since === null ? "" : `from ${since.slice(0, 10)}`;
  const to = until === null ? "" : `until ${until.slice(0, 10)}`;
  return [from, to].filter(Boolean).join(" ") || "always";
}

/** A name as a shell takes it. */
export function shell(name: string): string {
  return /^[\w.@-]+$/.test(name) ? name : `'${name.replaceAll("'", `'\\''`)}'`;
}

/** The budgets that limit a customer. */
export function CustomerBudgets({ budgets }: { budgets: readonly UsedBudget[] }): ReactElement {
  if (budgets.length === 0) {
    return <p className="text-[13px] text-soft">No budget is for this customer alone.</p>;
  }
  return (
    <ul className="flex flex-col gap-3 text-[13px]">
      {budgets.map(({ name, spent, figures, limit_pico }) => (
        <li key={name}>
          <p className="flex items-baseline justify-between gap-3">
            <Link
              to={"/budgets" as never}
              search={{ budget: name } as never}
              className="font-medium text-accent underline underline-offset-4"
            >
              {name}
            </Link>
            <span>
              <Money pico={figures.spent_pico} /> of <Money pico={limit_pico} />
            </span>
          </p>
          <Meter spent={spent} label={`${Math.floor(spent / 10)} % of ${name} is spent`} />
          <p className="mt-1 text-[12px] text-faint">
            <Money pico={figures.left_pico} /> left, <Money pico={figures.reserved_pico} /> set aside
          </p>
        </li>
      ))}
    </ul>
  );
}
