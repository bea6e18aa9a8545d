import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { AlertDialog } from "@/features/alerts/AlertDialog";
import { AlertPanel } from "@/features/alerts/AlertPanel";
import { AlertTable } from "@/features/alerts/AlertTable";
import { type AlertForm, formOf, newAlert } from "@/features/alerts/alert-form";
import { HistoryCard } from "@/features/alerts/HistoryCard";
import { alertsQuery, kindsQuery } from "@/features/alerts/queries";
import { useMayChange } from "@/shared/api/role";
import { zoneOf } from "@/shared/search/search";
import { useAddress } from "@/shared/search/use-address";
import { useSearch } from "@/shared/search/use-search";
import { MainButton } from "@/shared/ui/buttons";
import { Card } from "@/shared/ui/Card";
import { Loaded } from "@/shared/ui/Loaded";
import { Problems } from "@/shared/ui/Problems";
import { WithPanel } from "@/shared/ui/SidePanel";

/** What is watched, what fires, and what was told to whom. */
export default function AlertsScreen(): ReactElement {
  const tz = zoneOf(useSearch().search);
  const [{ alert: opened }, change] = useAddress();
  const mayChange = useMayChange();
  const alerts = useQuery(alertsQuery);
  const kinds = useQuery(kindsQuery);
  const [editing, setEditing] = useState<{ form: AlertForm; isNew: boolean } | null>(null);
  const forms = kinds.data?.kinds ?? [];
  const channels = alerts.data?.channels ?? [];
  const alert = alerts.data?.alerts.find(({ name }) => name === opened);
  const first = forms.find(({ kind }) => kind === "spend") ?? forms[0];
  const edit = (): void => {
    const form = forms.find(({ kind }) => kind === alert?.kind);
    if (alert && form) setEditing({ form: formOf(alert, form), isNew: false });
  };
  return (
    <div className="flex flex-col gap-6">
      <WithPanel
        panel={
          alert ? (
            <AlertPanel
              key={alert.name}
              alert={alert}
              tz={tz}
              mayChange={mayChange}
              edit={edit}
              close={() => change({ alert: undefined })}
            />
          ) : null
        }
      >
        <Card
          title="Alerts"
          aside={
            mayChange && first ? (
              <MainButton onClick={() => setEditing({ form: newAlert(first, channels), isNew: true })}>
                New alert
              </MainButton>
            ) : null
          }
        >
          <Loaded query={alerts} skeleton={<div className="skeleton h-48" />}>
            {(found) => (
              <>
                <Problems problems={found.problems} />
                <AlertTable
                  alerts={found.alerts}
                  opened={opened}
                  open={(name) => change({ alert: name === opened ? undefined : name })}
                />
                <p className="mt-3 text-[12.5px] text-soft">
                  {found.channels.length > 0
                    ? `Channels that can be told: ${found.channels.join(", ")}`
                    : "No channel can be told yet: what fires is on this page only."}
                </p>
              </>
            )}
          </Loaded>
        </Card>
      </WithPanel>
      <HistoryCard alert={opened} tz={tz} />
      {editing ? (
        <AlertDialog
          kinds={forms}
          channels={channels}
          start={editing.form}
          isNew={editing.isNew}
          tz={tz}
          close={() => setEditing(null)}
          done={(name) => {
            setEditing(null);
            change({ alert: name });
          }}
        />
      ) : null}
    </div>
  );
}
