import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { AlertDialog } from "@/features/alerts/AlertDialog";
import { AlertPanel } from "@/features/alerts/AlertPanel";
import { AlertTable } from "@/features/alerts/AlertTable";
import { type AlertForm, formOf, newAlert } from "@/features/alerts/alert-form";
import { HistoryCard } from "@/features/alerts/HistoryCard";
import { alertsQuery, kindsQuery } from "@/features/alerts/queries";
import { address } from "@/shared/api/client";
import { useMayChange } from "@/shared/api/role";
import { zoneOf } from "@/shared/search/search";
import { useAddress } from "@/shared/search/use-address";
import { useSearch } from "@/shared/search/use-search";
import { MainButton } from "@/shared/ui/forms/buttons";
import { ListCard } from "@/shared/ui/page/ListCard";

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
      <ListCard
        title="Alerts"
        query={alerts}
        exported={{ what: "alerts", href: (format) => address("alerts", { format }) }}
        add={
          mayChange && first ? (
            <MainButton onClick={() => setEditing({ form: newAlert(first, channels), isNew: true })}>
              New alert
            </MainButton>
          ) : null
        }
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
        {(found) => (
          <>
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
      </ListCard>
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
