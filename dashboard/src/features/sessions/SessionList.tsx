import { useInfiniteQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { address } from "@/shared/api/client";
import { formatCount } from "@/shared/format";
import { CallsLink } from "@/shared/search/CallsLink";
import { parametersOf, type Search, zoneOf } from "@/shared/search/search";
import { useAddress } from "@/shared/search/use-address";
import { Money } from "@/shared/ui/figures/Money";
import { SideButton } from "@/shared/ui/forms/buttons";
import { Card } from "@/shared/ui/page/Card";
import { Loaded } from "@/shared/ui/page/Loaded";
import { ExportMenu } from "@/shared/ui/tables/ExportMenu";
import { orderOf } from "@/shared/ui/tables/SortTable";
import { sessionsQuery } from "./queries";
import { SessionTable } from "./SessionTable";

interface SessionListProps {
  search: Search;
  open: (session: string) => void;
  /** What stands where no call matches. */
  empty: ReactElement;
}

const SORTS = [
  "cost_pico",
  "calls",
  "errors",
  "agents",
  "input_tokens_max",
  "cache_read_permille",
  "last_end_ns",
] as const;

/** The sessions of the span, and what is not in one of them. */
export function SessionList({ search, open, empty }: SessionListProps): ReactElement {
  const [{ sort: chosen }] = useAddress();
  const [by, downwards] = orderOf(chosen);
  const known = SORTS.find((name) => name === by);
  const sort = known ?? "cost_pico";
  const order = known !== undefined && !downwards ? "asc" : "desc";
  const sessions = useInfiniteQuery(sessionsQuery(search, sort, order));
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = sessions;
  return (
    <Card
      title="Sessions"
      aside={
        <ExportMenu
          what="sessions"
          href={(format) => address("sessions", { ...parametersOf(search), sort, order, format })}
        />
      }
    >
      <Loaded query={sessions} skeleton={<div className="skeleton h-72" />}>
        {({ pages }) => {
          const rows = pages.flatMap((page) => page.sessions);
          const last = pages.at(-1);
          if (last === undefined || last.total.calls === 0) return empty;
          const left = last.count - rows.length;
          return (
            <>
              <SessionTable sessions={rows} tz={zoneOf(search)} open={open} empty={<NoSessions />} />
              <div className="mt-4 flex flex-wrap items-center gap-x-6 gap-y-2 border-t border-line pt-3 text-[13px] text-soft">
                <span>
                  {formatCount(last.count)} {last.count === 1 ? "session" : "sessions"},{" "}
                  <Money pico={last.total.cost_pico} atLeast={!last.total.complete} /> in all
                </span>
                {last.without_session.calls > 0 ? (
                  <CallsLink where={{ session: null }}>
                    {formatCount(last.without_session.calls)} calls in no session:{" "}
                    <Money pico={last.without_session.cost_pico} atLeast={!last.without_session.complete} />
                  </CallsLink>
                ) : null}
                {hasNextPage && left > 0 ? (
                  <SideButton disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
                    {isFetchingNextPage ? "Loading…" : `Show more of ${formatCount(left)}`}
                  </SideButton>
                ) : null}
              </div>
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}

function NoSessions(): ReactElement {
  return (
    <div className="mx-auto max-w-xl py-8 text-center">
      <p className="text-[15px] font-medium">No call of this span names a session.</p>
      <p className="mt-1.5 text-[13.5px] text-soft">
        Send the header <code className="font-mono text-[12.5px]">x-farebox-session</code> with each call, or
        use <code className="font-mono text-[12.5px]">farebox.attribute(session=…)</code>. Claude Code and
        other agents name their sessions themselves.
      </p>
    </div>
  );
}
