import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { address } from "@/shared/api/client";
import type { TokenCreated, TokenState } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { formatExactMoment, formatMoment } from "@/shared/format";
import { Confirm, Modal, Refusal } from "@/shared/ui/dialogs/Modal";
import { MainButton, SideButton, TextButton } from "@/shared/ui/forms/buttons";
import { Choice, TextField } from "@/shared/ui/forms/fields";
import { Copyable } from "@/shared/ui/page/Copyable";
import { ListCard } from "@/shared/ui/page/ListCard";
import { byText, type Column, SortTable } from "@/shared/ui/tables/SortTable";
import { createToken, revokeToken, TOKENS, tokensQuery } from "./queries";

const SCOPES: readonly (readonly [string, string])[] = [
  ["read", "read: look, with the API"],
  ["client", "client: calls through the proxy"],
  ["ingest", "ingest: send events"],
  ["admin", "admin: everything, with the API"],
  ["portal", "portal: a customer's own page"],
];
const BINDS = ["client", "ingest"];

/** What programs and people show to a Farebox that others reach. A secret is shown once. */
export function TokensCard({ tz }: { tz: string }): ReactElement {
  const tokens = useQuery(tokensQuery);
  const [creating, setCreating] = useState(false);
  const [made, setMade] = useState<TokenCreated | null>(null);
  const [revoking, setRevoking] = useState<TokenState | null>(null);
  return (
    <ListCard
      title="Tokens"
      query={tokens}
      exported={{ what: "tokens", href: (format) => address("tokens", { format }) }}
      add={<MainButton onClick={() => setCreating(true)}>New token</MainButton>}
      dialogs={
        <>
          {creating ? (
            <TokenDialog
              done={(token) => {
                setMade(token);
                setCreating(false);
              }}
              close={() => setCreating(false)}
            />
          ) : null}
          {revoking ? <RevokeDialog token={revoking} close={() => setRevoking(null)} /> : null}
        </>
      }
    >
      {(found) => (
        <>
          {made ? (
            <div className="mb-4 rounded-lg bg-accent-soft px-3 py-3 text-[13px] text-accent">
              <p className="mb-2 font-medium">The secret of {made.token.name}. It is not shown again.</p>
              <Copyable label={`the secret of ${made.token.name}`} text={made.secret} />
              <TextButton className="mt-2" onClick={() => setMade(null)}>
                I have kept it
              </TextButton>
            </div>
          ) : null}
          <SortTable
            caption="Tokens"
            rows={[...found.tokens].sort((a, b) => b.created_at.localeCompare(a.created_at))}
            columns={columnsOf(tz, setRevoking)}
            keyOf={({ id }) => id}
            orderName="tokens"
            empty={
              <p className="py-4 text-[13.5px] text-soft">
                There is no token. On this machine nobody needs one; scripts, Grafana and other machines do.
              </p>
            }
          />
        </>
      )}
    </ListCard>
  );
}

function columnsOf(tz: string, revoke: (token: TokenState) => void): Column<TokenState>[] {
  const moment = (at: string | null, none: string): ReactElement =>
    at === null ? (
      <span className="text-faint">{none}</span>
    ) : (
      <span className="whitespace-nowrap" title={formatExactMoment(at, tz)}>
        {formatMoment(at, tz)}
      </span>
    );
  return [
    {
      id: "name",
      title: "Name",
      sort: byText(({ name }) => name),
      cell: ({ name, id }) => (
        <span className="block max-w-56 truncate font-medium" title={id}>
          {name}
        </span>
      ),
    },
    { id: "scope", title: "May", sort: byText(({ scope }) => scope), cell: ({ scope }) => scope },
    {
      id: "state",
      title: "State",
      sort: byText(({ state }) => state),
      cell: ({ state }) => <span className={state === "active" ? "" : "text-faint"}>{state}</span>,
    },
    {
      id: "of",
      title: "Calls are of",
      wide: true,
      cell: ({ binding }) =>
        Object.entries(binding)
          .map(([name, value]) => `${name} ${value}`)
          .join(", ") || "–",
    },
    {
      id: "used",
      title: "Last used",
      wide: true,
      sort: byText(({ last_used_at }) => last_used_at ?? ""),
      cell: ({ last_used_at }) => moment(last_used_at, "never"),
    },
    {
      id: "until",
      title: "Until",
      wide: true,
      sort: byText(({ expires_at }) => expires_at ?? "~"),
      cell: ({ expires_at }) => moment(expires_at, "no end"),
    },
    {
      id: "revoke",
      title: "",
      right: true,
      cell: (token) =>
        token.state === "revoked" ? null : (
          <TextButton onClick={() => revoke(token)} className="text-bad!">
            Revoke
          </TextButton>
        ),
    },
  ];
}

interface TokenDialogProps {
  done: (made: TokenCreated) => void;
  close: () => void;
}

function TokenDialog({ done, close }: TokenDialogProps): ReactElement {
  const [said, setSaid] = useState({
    name: "",
    scope: "read",
    expires: "",
    customer: "",
    user: "",
    project: "",
  });
  const create = useChange(createToken, [TOKENS], done);
  const binds = BINDS.includes(said.scope);
  const ready = said.name.trim() !== "" && !create.isPending;
  return (
    <Modal title="New token" close={close}>
      <form
        className="mt-3 flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          const unbound = { customer: "", user: "", project: "" };
          if (ready) create.mutate({ ...said, name: said.name.trim(), ...(binds ? {} : unbound) });
        }}
      >
        <TextField label="Name" required value={said.name} change={(name) => setSaid({ ...said, name })} />
        <Choice
          label="What it may"
          value={said.scope}
          change={(scope) => setSaid({ ...said, scope })}
          choices={SCOPES}
        />
        <TextField
          label="Ends after"
          value={said.expires}
          placeholder="90d"
          change={(expires) => setSaid({ ...said, expires })}
          hint="As 12h or 90d; without it, never"
        />
        {binds
          ? (["customer", "user", "project"] as const).map((name) => (
              <TextField
                key={name}
                label={`Its calls are of this ${name}`}
                value={said[name]}
                change={(value) => setSaid({ ...said, [name]: value })}
              />
            ))
          : null}
        <Refusal error={create.error} />
        <div className="flex justify-end gap-2">
          <SideButton onClick={close}>Cancel</SideButton>
          <MainButton type="submit" disabled={!ready}>
            Create
          </MainButton>
        </div>
      </form>
    </Modal>
  );
}

function RevokeDialog({ token, close }: { token: TokenState; close: () => void }): ReactElement {
  const revoke = useChange(revokeToken, [TOKENS], close);
  return (
    <Confirm
      title={`Revoke ${token.name}?`}
      words={["Requests with it are refused within two seconds. This cannot be taken back."]}
      deed="Revoke"
      dangerous
      act={() => revoke.mutate(token.id)}
      close={close}
      pending={revoke.isPending}
      error={revoke.error}
    />
  );
}
