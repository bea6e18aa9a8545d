import type { ReactElement } from "react";
import { compareAmounts } from "@/shared/amount";
import type { BudgetFigures, BudgetState } from "@/shared/api/types";
import { clock, formatDay } from "@/shared/format";
import { permille } from "@/shared/money";
import { Meter } from "@/shared/ui/figures/Meter";
import { Money } from "@/shared/ui/figures/Money";
import { Empty } from "@/shared/ui/page/Empty";
import { useNow } from "@/shared/ui/page/use-now";
import { byText, type Column, SortTable } from "@/shared/ui/tables/SortTable";
import { type Branch, branches } from "./budget-tree";
import { inWords, periodWords, whoseWords } from "./budget-words";

interface BudgetTableProps {
  budgets: readonly BudgetState[];
  opened: string | undefined;
  open: (name: string) => void;
}

/** Budgets as a tree, with what is spent, set aside and left of each: the figures that calls pass by. */
export function BudgetTable({ budgets, opened, open }: BudgetTableProps): ReactElement {
  const now = useNow(30_000);
  const columns: Column<Branch>[] = [
    {
      id: "name",
      title: "Budget",
      sort: byText(({ budget }) => budget.name),
      cell: ({ budget, depth }) => (
        <span className="block min-w-32" style={{ paddingLeft: `${depth * 18}px` }}>
          <button
            type="button"
            onClick={() => open(budget.name)}
            className="rounded text-left font-medium hover:underline"
          >
            {budget.name}
          </button>
          <span className="block text-[12px] text-faint">
            {whoseWords(budget.where)}
            {budget.each ? ` · each ${budget.each}` : ""}
            {budget.mode === "soft" ? " · only warns" : ""}
          </span>
        </span>
      ),
    },
    {
      id: "limit",
      title: "Limit",
      right: true,
      wide: true,
      sort: (a, b) => compareAmounts(a.budget.limit_usd, b.budget.limit_usd),
      cell: ({ budget }) => (
        <span className="whitespace-nowrap">
          <Money pico={budget.limit_pico} />
          <span className="block text-[12px] text-faint">{periodWords(budget.period)}</span>
        </span>
      ),
    },
    {
      id: "spent",
      title: "Spent",
      right: true,
      sort: (a, b) => compareAmounts(spentOf(a), spentOf(b)),
      cell: ({ budget }) => <Spent budget={budget} />,
    },
    {
      id: "left",
      title: "Left",
      right: true,
      sort: (a, b) => compareAmounts(leftOf(a), leftOf(b)),
      cell: ({ budget }) =>
        budget.figures ? <Money pico={budget.figures.left_pico} /> : <ByValue budget={budget} />,
    },
    {
      id: "reserved",
      title: "Set aside",
      right: true,
      wide: true,
      cell: ({ budget }) => (budget.figures ? <Reserved figures={budget.figures} /> : null),
    },
    {
      id: "resets",
      title: "Resets",
      wide: true,
      sort: byText(({ budget }) => budget.resets_at ?? "9"),
      cell: ({ budget }) => <Resets budget={budget} now={now} />,
    },
  ];
  return (
    <SortTable
      caption="Budgets"
      rows={branches(budgets)}
      columns={columns}
      keyOf={({ budget }) => budget.name}
      open={({ budget }) => open(budget.name)}
      opened={opened}
      empty={
        <Empty
          title="No budget is set, so nothing limits what calls may spend"
          command="farebox budget set daily --limit 25 --period day"
        >
          A budget is a limit in dollars on some calls over some time. A hard one is never passed: before a
          call is sent, the most it can cost is set aside.
        </Empty>
      }
    />
  );
}

function Spent({ budget }: { budget: BudgetState }): ReactElement {
  const { figures } = budget;
  if (figures === null) {
    const most = budget.values[0];
    return most === undefined ? (
      <span className="text-faint">–</span>
    ) : (
      <span>
        <Money pico={most.figures.spent_pico} atLeast={most.unpriced_calls > 0} />
        <span className="block text-[12px] text-faint">most of one {budget.each}</span>
      </span>
    );
  }
  const of = (
    <span className="block text-[12px] whitespace-nowrap text-faint md:hidden">
      of <Money pico={budget.limit_pico} /> {periodWords(budget.period)}
    </span>
  );
  if (figures.opening) return <span className="text-faint">being counted</span>;
  return (
    <span className="inline-block min-w-24">
      <Money pico={figures.spent_pico} atLeast={(budget.unpriced_calls ?? 0) > 0} />
      <span className="mt-1 block">
        <LimitMeter figures={figures} limit={budget.limit_pico} />
      </span>
      {of}
    </span>
  );
}

/** How much of a limit is spent and set aside. */
export function LimitMeter({ figures, limit }: { figures: BudgetFigures; limit: string }): ReactElement {
  const spent = permille(figures.spent_pico, limit);
  const reserved = permille(figures.reserved_pico, limit);
  const words = `${Math.floor(spent / 10)} % spent${reserved > 0 ? `, ${Math.ceil(reserved / 10)} % set aside` : ""}`;
  return <Meter spent={spent} reserved={reserved} label={words} />;
}

function ByValue({ budget }: { budget: BudgetState }): ReactElement {
  return <span className="text-[12.5px] text-soft">by {budget.each ?? "–"}</span>;
}

function Reserved({ figures }: { figures: BudgetFigures }): ReactElement {
  return (
    <span>
      <Money pico={figures.reserved_pico} />
      {figures.waiting > 0 ? (
        <span className="block text-[12px] text-warn">calls wait in {figures.waiting}</span>
      ) : null}
    </span>
  );
}

function Resets({ budget, now }: { budget: BudgetState; now: Date }): ReactElement {
  if (budget.resets_at === null) {
    return (
      <span className="text-faint">{budget.period.startsWith("rolling") ? "little by little" : "never"}</span>
    );
  }
  const at = new Date(budget.resets_at);
  return (
    <span className="whitespace-nowrap" title={`${budget.resets_at} UTC`}>
      {inWords(budget.resets_at, now)}
      <span className="block text-[12px] text-faint">
        {formatDay(at, budget.timezone)} {clock(at, budget.timezone)} {budget.timezone}
      </span>
    </span>
  );
}

function spentOf({ budget }: Branch): string | null {
  return budget.figures?.spent_usd ?? budget.values[0]?.figures.spent_usd ?? null;
}

function leftOf({ budget }: Branch): string | null {
  return budget.figures?.left_usd ?? null;
}
