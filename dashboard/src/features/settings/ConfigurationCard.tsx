import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { SettingInForce } from "@/shared/api/types";
import { Check } from "@/shared/ui/forms/fields";
import { Problems } from "@/shared/ui/forms/Problems";
import { Card } from "@/shared/ui/page/Card";
import { Loaded } from "@/shared/ui/page/Loaded";
import { byText, type Column, SortTable } from "@/shared/ui/tables/SortTable";
import { configurationQuery } from "./queries";

/** What is in force, and the file, variable or flag that each value comes from. */
export function ConfigurationCard(): ReactElement {
  const configuration = useQuery(configurationQuery);
  const [all, setAll] = useState(false);
  return (
    <Card
      title="Configuration in force"
      aside={<Check label="Defaults, too" checked={all} change={setAll} />}
    >
      <Loaded query={configuration} skeleton={<div className="skeleton h-48" />}>
        {(found) => (
          <>
            <Problems problems={found.findings} />
            <SortTable
              caption="Configuration in force"
              rows={found.values.filter(({ layer }) => all || layer !== "default")}
              columns={COLUMNS}
              keyOf={({ key, origin }) => `${key} ${origin}`}
              orderName="settings"
              empty={
                <p className="py-4 text-[13.5px] text-soft">
                  Everything is as it is by default. What you set in farebox.yaml, in the environment or by a
                  flag is shown here.
                </p>
              }
            />
            <p className="mt-3 text-[12.5px] break-words text-soft">
              {found.files.length === 0 ? "No file was read." : `Read: ${found.files.join(", ")}.`} Secrets
              are shown by their reference.
            </p>
          </>
        )}
      </Loaded>
    </Card>
  );
}

const COLUMNS: readonly Column<SettingInForce>[] = [
  {
    id: "key",
    title: "Key",
    sort: byText(({ key }) => key),
    cell: ({ key, origin }) => (
      <>
        <span className="block font-mono text-[12.5px] break-words">
          {key.replaceAll(".", ".\u200b") /* where it may be broken */}
        </span>
        <span className="block text-[12px] break-all text-faint md:hidden">{origin}</span>
      </>
    ),
  },
  {
    id: "value",
    title: "Value",
    cell: ({ value }) => (
      <span className="block min-w-24 max-w-96 font-mono text-[12.5px] break-all">{value ?? "–"}</span>
    ),
  },
  {
    id: "origin",
    title: "Comes from",
    wide: true,
    sort: byText(({ origin }) => origin),
    cell: ({ origin }) => <span className="block max-w-80 break-all text-soft">{origin}</span>,
  },
  {
    id: "at_once",
    title: "A change holds",
    wide: true,
    cell: ({ at_once }) => (at_once ? "at once" : "after a restart"),
  },
];
