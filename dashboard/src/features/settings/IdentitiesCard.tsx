import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { CUSTOMERS, customersQuery, IDENTITIES, identitiesQuery } from "@/shared/api/billing-queries";
import { address } from "@/shared/api/client";
import type { MappedIdentity } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { formatMoment } from "@/shared/format";
import { CallsLink } from "@/shared/search/CallsLink";
import { Confirm } from "@/shared/ui/dialogs/Modal";
import { MainButton, TextButton } from "@/shared/ui/forms/buttons";
import { Choice, TextField } from "@/shared/ui/forms/fields";
import { Empty } from "@/shared/ui/page/Empty";
import { KeyName } from "@/shared/ui/page/KeyName";
import { ListCard } from "@/shared/ui/page/ListCard";
import { byText, type Column, SortTable } from "@/shared/ui/tables/SortTable";
import { keysQuery, mapIdentity, unmapIdentity } from "./queries";

interface IdentitiesCardProps {
  tz: string;
  mayChange: boolean;
  openCustomer: (customer: string) => void;
}

/** Which keys, users, agents and tags stand for which customer, and when. */
export function IdentitiesCard({ tz, mayChange, openCustomer }: IdentitiesCardProps): ReactElement {
  const found = useQuery(identitiesQuery);
  const customers = useQuery(customersQuery).data?.customers.map(({ id }) => id) ?? [];
  const [mapping, setMapping] = useState(false);
  const [ending, setEnding] = useState<MappedIdentity | null>(null);
  return (
    <ListCard
      title="Whose calls are whose"
      query={found}
      exported={{ what: "mapped identities", href: (format) => address("identities", { format }) }}
      add={
        mayChange && customers.length > 0 ? (
          <MainButton onClick={() => setMapping(true)}>Map…</MainButton>
        ) : null
      }
      dialogs={
        <>
          {mapping ? <MapDialog customers={customers} close={() => setMapping(false)} /> : null}
          {ending ? <EndDialog of={ending} close={() => setEnding(null)} /> : null}
        </>
      }
    >
      {({ identities }) => (
        <SortTable
          caption="What stands for which customer"
          rows={identities}
          columns={columnsOf(tz, openCustomer, mayChange ? setEnding : null)}
          keyOf={({ dimension, value, since }) => `${dimension} ${value} ${since}`}
          orderName="identities"
          empty={
            customers.length === 0 ? (
              <Empty title="There is no customer yet" command="farebox customers set acme">
                Calls that name a customer are metered all the same. Set one up, and a key, user, agent or tag
                can stand for it.
              </Empty>
            ) : (
              <Empty title="Nothing is mapped" command={`farebox customers map ${customers[0]} --user NAME`}>
                Calls are of the customer that they name themselves. Where your programs only say a user, a
                key, an agent or a tag, say here whose it is.
              </Empty>
            )
          }
        />
      )}
    </ListCard>
  );
}

function columnsOf(
  tz: string,
  openCustomer: (customer: string) => void,
  end: ((found: MappedIdentity) => void) | null,
): Column<MappedIdentity>[] {
  const when = (moment: string | null, open: string): ReactElement =>
    moment === null ? <span className="text-faint">{open}</span> : <span>{formatMoment(moment, tz)}</span>;
  return [
    {
      id: "what",
      title: "What",
      sort: byText(({ dimension, value }) => `${dimension} ${value}`),
      cell: ({ dimension, value }) => (
        <span className="break-all">
          <span className="text-soft">{dimension.replace("tag.", "tag ")}</span>{" "}
          <CallsLink where={{ [dimension]: value }} className="font-medium">
            {dimension === "key" ? <KeyName fingerprint={value} /> : value}
          </CallsLink>
        </span>
      ),
    },
    {
      id: "customer",
      title: "Customer",
      sort: byText(({ customer }) => customer),
      cell: ({ customer }) => <TextButton onClick={() => openCustomer(customer)}>{customer}</TextButton>,
    },
    {
      id: "since",
      title: "From",
      wide: true,
      sort: byText(({ since }) => since ?? ""),
      cell: ({ since }) => when(since, "the first call"),
    },
    {
      id: "until",
      title: "Until",
      wide: true,
      sort: byText(({ until }) => until ?? "~"),
      cell: ({ until }) => when(until, "for ever"),
    },
    {
      id: "end",
      title: "",
      right: true,
      cell: (found) =>
        found.origin === "file" ? (
          <span className="text-[12.5px] text-faint" title="Change it there">
            farebox.yaml
          </span>
        ) : end === null ? null : (
          <TextButton onClick={() => end(found)}>End</TextButton>
        ),
    },
  ];
}

const WHAT = [
  ["user", "A user"],
  ["key", "An API key"],
  ["agent", "An agent"],
  ["tag", "A tag"],
] as const;
const STALE = [IDENTITIES, CUSTOMERS];

function MapDialog({ customers, close }: { customers: readonly string[]; close: () => void }): ReactElement {
  const [said, setSaid] = useState({ what: "user", tag: "", value: "", customer: "", since: "", until: "" });
  const set = (name: keyof typeof said) => (value: string) => setSaid({ ...said, [name]: value });
  const map = useChange(mapIdentity, STALE, close);
  const keys = useQuery(keysQuery).data?.keys ?? [];
  return (
    <Confirm
      title="Say whose calls they are"
      words={[
        "Calls that are recorded already are corrected, too, from the first day on. Invoices that are final stay as they are: the next one has the difference.",
      ]}
      deed="Map it"
      act={() =>
        map.mutate({
          customer: said.customer,
          dimension: said.what === "tag" ? `tag.${said.tag.trim().toLowerCase()}` : said.what,
          value: said.value,
          since: said.since || null,
          until: said.until || null,
        })
      }
      close={close}
      pending={map.isPending}
      error={map.error}
      ready={said.value !== "" && said.customer !== "" && (said.what !== "tag" || said.tag.trim() !== "")}
    >
      <div className="mt-3 flex flex-col gap-1">
        <Choice
          label="What"
          value={said.what}
          change={(what) => setSaid({ ...said, what, value: "" })}
          choices={WHAT}
        />
        {said.what === "tag" ? (
          <TextField
            label="Name of the tag"
            value={said.tag}
            change={set("tag")}
            placeholder="tenant"
            required
          />
        ) : null}
        {said.what === "key" && keys.length > 0 ? (
          <Choice
            label="Which key"
            value={said.value}
            change={set("value")}
            choices={[
              ["", "Choose one"],
              ...keys.map(({ fingerprint, label }) => [fingerprint, label ?? fingerprint] as const),
            ]}
          />
        ) : (
          <TextField
            label={said.what === "tag" ? "Its value" : "Which"}
            value={said.value}
            change={set("value")}
            hint={said.what === "key" ? "Its fingerprint: no call of 30 days had a key" : "As calls say it"}
            required
          />
        )}
        <TextField
          label="Stands for the customer"
          value={said.customer}
          change={set("customer")}
          options={customers}
          required
        />
        <div className="grid grid-cols-2 gap-3">
          <TextField
            label="From"
            type="date"
            value={said.since}
            change={set("since")}
            hint="Empty: from the first call on"
          />
          <TextField
            label="Until"
            type="date"
            value={said.until}
            change={set("until")}
            hint="Empty: for ever; this day no longer counts"
          />
        </div>
      </div>
    </Confirm>
  );
}

function EndDialog({ of, close }: { of: MappedIdentity; close: () => void }): ReactElement {
  const [at, setAt] = useState("");
  const end = useChange(unmapIdentity, STALE, close);
  return (
    <Confirm
      title={`${of.dimension.replace("tag.", "Tag ")} ${of.value} stands for ${of.customer} no longer?`}
      words={["Its calls from then on are of nobody, unless they name a customer themselves."]}
      deed="End it"
      dangerous
      act={() => end.mutate({ dimension: of.dimension, value: of.value, at: at || undefined })}
      close={close}
      pending={end.isPending}
      error={end.error}
    >
      <div className="mt-3">
        <TextField
          label="The first day that it does not count"
          type="date"
          value={at}
          change={setAt}
          hint="Empty: from now on"
        />
      </div>
    </Confirm>
  );
}
