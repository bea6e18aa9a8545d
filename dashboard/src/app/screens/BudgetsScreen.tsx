import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { BudgetDialog } from "@/features/budgets/BudgetDialog";
import { BudgetPanel } from "@/features/budgets/BudgetPanel";
import { BudgetTable } from "@/features/budgets/BudgetTable";
import { type BudgetForm, formOf, newBudget } from "@/features/budgets/budget-form";
import { budgetsQuery } from "@/features/budgets/queries";
import { StopsCard } from "@/features/budgets/StopsCard";
import { address } from "@/shared/api/client";
import { useMayChange } from "@/shared/api/role";
import { zoneOf } from "@/shared/search/search";
import { useAddress } from "@/shared/search/use-address";
import { useSearch } from "@/shared/search/use-search";
import { MainButton } from "@/shared/ui/forms/buttons";
import { ListCard } from "@/shared/ui/page/ListCard";

/** Whether spend will stop, when, and whom it will hurt; and what is stopped now. */
export default function BudgetsScreen(): ReactElement {
  const tz = zoneOf(useSearch().search);
  const [{ budget: opened }, change] = useAddress();
  const mayChange = useMayChange();
  const budgets = useQuery(budgetsQuery);
  const [editing, setEditing] = useState<{ form: BudgetForm; isNew: boolean } | null>(null);
  const close = (): void => change({ budget: undefined });
  return (
    <div className="flex flex-col gap-6">
      <ListCard
        title="Budgets"
        query={budgets}
        exported={{ what: "budgets", href: (format) => address("budgets", { format }) }}
        add={
          mayChange ? (
            <MainButton onClick={() => setEditing({ form: newBudget(tz), isNew: true })}>
              New budget
            </MainButton>
          ) : null
        }
        panel={
          opened ? (
            <BudgetPanel
              key={opened}
              name={opened}
              tz={tz}
              mayChange={mayChange}
              edit={(found) => setEditing({ form: formOf(found), isNew: false })}
              close={close}
            />
          ) : null
        }
      >
        {(found) => (
          <BudgetTable
            budgets={found.budgets}
            opened={opened}
            open={(budget) => change({ budget: budget === opened ? undefined : budget })}
          />
        )}
      </ListCard>
      <StopsCard tz={tz} mayChange={mayChange} />
      {editing ? (
        <BudgetDialog
          start={editing.form}
          isNew={editing.isNew}
          tz={tz}
          close={() => setEditing(null)}
          done={(name) => {
            setEditing(null);
            change({ budget: name });
          }}
        />
      ) : null}
    </div>
  );
}
