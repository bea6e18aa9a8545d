import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { address } from "@/shared/api/client";
import { stopCalls } from "@/shared/api/stops";
import type { StopState } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { formatMoment } from "@/shared/format";
import { Confirm } from "@/shared/ui/dialogs/Modal";
import { SideButton, TextButton } from "@/shared/ui/forms/buttons";
import { Choice, TextField } from "@/shared/ui/forms/fields";
import { Empty } from "@/shared/ui/page/Empty";
import { ListCard } from "@/shared/ui/page/ListCard";
import { byText, type Column, SortTable } from "@/shared/ui/tables/SortTable";
import { titleOf } from "./budget-words";
import { releaseCalls, STOPS, type Stop, stopsQuery } from "./queries";

const STOPPABLE = [
  ...["session", "key", "user", "customer", "agent", "app", "model", "process"],
  ...["task", "project", "branch", "provider"],
];

interface StopsCardProps {
  tz: string;
  mayChange: boolean;
}

/** Whose calls are refused until somebody lets them pass again. */
export function StopsCard({ tz, mayChange }: StopsCardProps): ReactElement {
  const stops = useQuery(stopsQuery);
  const [stopping, setStopping] = useState(false);
  const [released, setReleased] = useState<StopState | null>(null);
  const release = useChange(releaseCalls, [STOPS], () => setReleased(null));
  const columns: Column<StopState>[] = [
    {
      id: "what",
      title: "Stopped",
      sort: byText(({ dimension, value }) => `${dimension} ${value}`),
      cell: ({ dimension, value }) => (
        <span className="break-all">
          <span className="text-soft">{titleOf(dimension)}</span> <span className="font-medium">{value}</span>
        </span>
      ),
    },
    {
      id: "reason",
      title: "Why",
      wide: true,
      cell: ({ reason }) => reason || <span className="text-faint">–</span>,
    },
    {
      id: "since",
      title: "Since",
      sort: byText(({ since }) => since),
      cell: ({ since, by }) => (
        <span className="whitespace-nowrap" title={`by ${by}`}>
          {formatMoment(since, tz)}
        </span>
      ),
    },
    ...(mayChange
      ? [
          {
            id: "release",
            title: "",
            right: true,
            cell: (stop: StopState) => <TextButton onClick={() => setReleased(stop)}>Release</TextButton>,
          },
        ]
      : []),
  ];
  return (
    <ListCard
      title="Stops"
      query={stops}
      exported={{ what: "stops", href: (format) => address("stops", { format }) }}
      add={mayChange ? <SideButton onClick={() => setStopping(true)}>Stop calls…</SideButton> : null}
      dialogs={
        <>
          {stopping ? <StopDialog close={() => setStopping(false)} /> : null}
          {released ? (
            <Confirm
              title={`Let ${titleOf(released.dimension)} ${released.value} call again?`}
              words={["Its calls pass again within two seconds, as far as budgets let them."]}
              deed="Release"
              act={() => release.mutate(released)}
              close={() => setReleased(null)}
              pending={release.isPending}
              error={release.error}
            />
          ) : null}
        </>
      }
    >
      {({ stops: found }) => (
        <SortTable
          caption="Stops"
          rows={found}
          columns={columns}
          keyOf={({ dimension, value }) => `${dimension} ${value}`}
          orderName="stops"
          empty={
            <Empty title="Nothing is stopped" command="farebox stop-session SESSION">
              A stop refuses the calls of one session, key, user or program at once, until it is released.
            </Empty>
          }
        />
      )}
    </ListCard>
  );
}

function StopDialog({ close }: { close: () => void }): ReactElement {
  const [said, setSaid] = useState<Stop>({ dimension: "session", value: "", reason: "" });
  const stop = useChange(({ reason, ...whom }: Stop) => stopCalls(whom, reason), [STOPS], close);
  return (
    <Confirm
      title="Stop calls"
      words={[
        "Further calls get status 429 with the reason, and are not sent. Calls in flight end as they would.",
      ]}
      deed="Stop them"
      dangerous
      act={() => stop.mutate(said)}
      close={close}
      pending={stop.isPending}
      error={stop.error}
      ready={said.value.trim() !== ""}
    >
      <div className="mt-3 flex flex-col gap-1">
        <Choice
          label="Calls of one"
          value={said.dimension}
          change={(dimension) => setSaid({ ...said, dimension })}
          choices={STOPPABLE.map((each) => [each, titleOf(each)] as const)}
        />
        <TextField
          label="Which"
          value={said.value}
          change={(value) => setSaid({ ...said, value })}
          hint={said.dimension === "key" ? "Its name or fingerprint, never the key itself" : undefined}
          required
        />
        <TextField label="Why" value={said.reason} change={(reason) => setSaid({ ...said, reason })} />
      </div>
    </Confirm>
  );
}
