import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { address } from "@/shared/api/client";
import type { KeyState } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { formatCount, formatMoment } from "@/shared/format";
import { compareCosts } from "@/shared/measures";
import { CallsLink } from "@/shared/search/CallsLink";
import { Modal, Refusal } from "@/shared/ui/dialogs/Modal";
import { Money } from "@/shared/ui/figures/Money";
import { DangerButton, MainButton, SideButton, TextButton } from "@/shared/ui/forms/buttons";
import { TextField } from "@/shared/ui/forms/fields";
import { ListCard } from "@/shared/ui/page/ListCard";
import { byText, type Column, SortTable } from "@/shared/ui/tables/SortTable";
import { forgetKey, KEYS, keysQuery, labelKey } from "./queries";

interface KeysCardProps {
  tz: string;
  mayChange: boolean;
}

/** API keys by their fingerprint: what they are called, and whose calls are made with them. */
export function KeysCard({ tz, mayChange }: KeysCardProps): ReactElement {
  const keys = useQuery(keysQuery);
  const [editing, setEditing] = useState<KeyState | null>(null);
  return (
    <ListCard
      title="API keys, seen in the last 30 days or named"
      query={keys}
      exported={{ what: "keys", href: (format) => address("keys", { format }) }}
      dialogs={editing ? <KeyDialog found={editing} close={() => setEditing(null)} /> : null}
    >
      {(found) => (
        <SortTable
          caption="API keys"
          rows={[...found.keys].sort((a, b) => compareCosts(b.cost_pico, a.cost_pico))}
          columns={columnsOf(tz, mayChange ? setEditing : null)}
          keyOf={({ fingerprint }) => fingerprint}
          orderName="keys"
          empty={
            <p className="py-4 text-[13.5px] text-soft">
              No call was made with a key yet. A key itself is never kept: only a fingerprint of it.
            </p>
          }
        />
      )}
    </ListCard>
  );
}

function columnsOf(tz: string, edit: ((found: KeyState) => void) | null): Column<KeyState>[] {
  const owner = (found: KeyState): string =>
    (["customer", "user", "agent", "project"] as const)
      .flatMap((name) => (found[name] === null ? [] : [`${name} ${found[name]}`]))
      .join(", ");
  return [
    {
      id: "label",
      title: "Name",
      sort: byText(({ label, fingerprint }) => label ?? `~${fingerprint}`),
      cell: ({ label, fingerprint }) => (
        <span className="block max-w-36 truncate md:max-w-72">
          {label === null ? (
            <span className="text-faint">no name</span>
          ) : (
            <span className="font-medium">{label}</span>
          )}{" "}
          <span className="block font-mono text-[11.5px] text-faint md:inline">{fingerprint}</span>
        </span>
      ),
    },
    {
      id: "owner",
      title: "Calls are of",
      wide: true,
      sort: byText(owner),
      cell: (found) => owner(found) || "–",
    },
    {
      id: "cost",
      title: "Cost",
      right: true,
      sort: (a, b) => compareCosts(a.cost_pico, b.cost_pico),
      cell: ({ cost_pico }) => <Money pico={cost_pico} />,
    },
    {
      id: "calls",
      title: "Calls",
      right: true,
      sort: (a, b) => a.calls - b.calls,
      cell: ({ fingerprint, calls }) => (
        <CallsLink where={{ key: fingerprint }} written={{ since: "30d" }}>
          {formatCount(calls)}
        </CallsLink>
      ),
    },
    {
      id: "last",
      title: "Last call",
      right: true,
      wide: true,
      sort: byText(({ last_at }) => last_at ?? ""),
      cell: ({ last_at }) => (
        <span className="whitespace-nowrap">{last_at === null ? "–" : formatMoment(last_at, tz)}</span>
      ),
    },
    {
      id: "edit",
      title: "",
      right: true,
      cell: (found) =>
        found.origin === "file" ? (
          <span className="text-[12.5px] text-faint" title="Change it there">
            farebox.yaml
          </span>
        ) : edit === null ? null : (
          <TextButton onClick={() => edit(found)}>{found.label === null ? "Name it" : "Change"}</TextButton>
        ),
    },
  ];
}

function KeyDialog({ found, close }: { found: KeyState; close: () => void }): ReactElement {
  const [said, setSaid] = useState({
    fingerprint: found.fingerprint,
    label: found.label ?? "",
    customer: found.customer ?? "",
    user: found.user ?? "",
    project: found.project ?? "",
  });
  const stale = [KEYS, "status"];
  const save = useChange(labelKey, stale, close);
  const forget = useChange(forgetKey, stale, close);
  const pending = save.isPending || forget.isPending;
  return (
    <Modal title={`Key ${found.fingerprint}`} close={close}>
      <form
        className="mt-3 flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          if (said.label.trim() !== "" && !pending) save.mutate({ ...said, label: said.label.trim() });
        }}
      >
        <TextField
          label="Name"
          required
          value={said.label}
          change={(label) => setSaid({ ...said, label })}
          hint="Shown everywhere instead of the fingerprint, for earlier calls too"
        />
        {(["customer", "user", "project"] as const).map((name) => (
          <TextField
            key={name}
            label={`Its calls are of this ${name}`}
            value={said[name]}
            change={(value) => setSaid({ ...said, [name]: value })}
          />
        ))}
        <p className="text-[12.5px] text-soft">
          Calls from now on are counted that way; recorded ones stay as they are.
        </p>
        <Refusal error={save.error ?? forget.error} />
        <div className="flex flex-wrap justify-end gap-2">
          {found.origin === "command" ? (
            <DangerButton
              className="mr-auto"
              disabled={pending}
              onClick={() => forget.mutate(found.fingerprint)}
            >
              Take the name away
            </DangerButton>
          ) : null}
          <SideButton onClick={close}>Cancel</SideButton>
          <MainButton type="submit" disabled={pending || said.label.trim() === ""}>
            Save
          </MainButton>
        </div>
      </form>
    </Modal>
  );
}
