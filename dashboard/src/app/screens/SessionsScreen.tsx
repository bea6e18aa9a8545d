import type { ReactElement } from "react";
import { ReceiptPanel } from "@/features/calls/ReceiptPanel";
import { NothingMatches } from "@/features/capture/EmptyState";
import { SessionList } from "@/features/sessions/SessionList";
import { SessionView } from "@/features/sessions/SessionView";
import { oneValue, valuesOf, whereOf, zoneOf } from "@/shared/search/search";
import { useSearch } from "@/shared/search/use-search";
import { WithPanel } from "@/shared/ui/dialogs/SidePanel";

/** Sessions and what each cost; with a filter of one session that session, agent by agent and turn by turn. */
export default function SessionsScreen(): ReactElement {
  const { search, change, clear } = useSearch();
  const tz = zoneOf(search);
  const named = search.session === undefined ? [] : valuesOf(search.session);
  const session = named.length === 1 ? named[0] : undefined;
  const openCall = (call: string): void => change({ call: call === search.call ? undefined : call });
  const filtered = Object.keys(whereOf(search)).length > 0;
  const widen = (): void => (filtered ? clear() : change({ since: "30d", until: undefined }));
  return (
    <WithPanel
      panel={
        search.call ? (
          <ReceiptPanel id={search.call} tz={tz} close={() => change({ call: undefined })} />
        ) : null
      }
    >
      {session ? (
        <SessionView
          session={session}
          tz={tz}
          opened={search.call}
          open={openCall}
          back={() => change({ session: undefined, call: undefined })}
        />
      ) : (
        <SessionList
          search={search}
          open={(each) => change({ session: oneValue(each) })}
          empty={<NothingMatches filtered={filtered} widen={widen} />}
        />
      )}
    </WithPanel>
  );
}
