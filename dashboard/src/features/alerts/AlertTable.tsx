import type { ReactElement } from "react";
import type { AlertView } from "@/shared/api/types";
import { Empty } from "@/shared/ui/page/Empty";
import { byText, type Column, SortTable } from "@/shared/ui/tables/SortTable";
import { SeverityMark, StateChip, stateOf } from "./states";

interface AlertTableProps {
  alerts: readonly AlertView[];
  opened: string | undefined;
  open: (name: string) => void;
}

/** What is watched, whether it fires now, and who is told. */
export function AlertTable({ alerts, opened, open }: AlertTableProps): ReactElement {
  const columns: Column<AlertView>[] = [
    {
      id: "name",
      title: "Alert",
      sort: byText(({ name }) => name),
      cell: (alert) => (
        <span className="block min-w-36">
          <button
            type="button"
            onClick={() => open(alert.name)}
            className="rounded text-left font-medium hover:underline"
          >
            {alert.name}
          </button>
          <span className="block text-[12.5px] text-soft">
            {alert.watches}
            {alert.whose ? ` · ${alert.whose}` : ""}
          </span>
        </span>
      ),
    },
    {
      id: "state",
      title: "State",
      sort: (a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name),
      cell: (alert) => <StateChip alert={alert} />,
    },
    {
      id: "severity",
      title: "Severity",
      wide: true,
      sort: byText(({ severity }) => severity),
      cell: ({ severity }) => <SeverityMark severity={severity} />,
    },
    {
      id: "to",
      title: "Tells",
      wide: true,
      sort: byText(({ to }) => to.join(" ")),
      cell: ({ to }) =>
        to.length > 0 ? to.join(", ") : <span className="text-[12.5px] text-faint">this page only</span>,
    },
  ];
  return (
    <SortTable
      caption="Alerts"
      rows={alerts}
      columns={columns}
      keyOf={({ name }) => name}
      open={({ name }) => open(name)}
      opened={opened}
      empty={
        <Empty
          title="No alert is set, so nothing tells you before the invoice does"
          command="farebox alerts set --defaults"
        >
          The usual ones watch for jumps in cost, new models and keys, calls without a price, retries and
          errors.
        </Empty>
      }
    />
  );
}

function rank(alert: AlertView): number {
  return ["firing", "snoozed", "quiet"].indexOf(stateOf(alert));
}
