import { useQuery } from "@tanstack/react-query";
import type { ReactElement, ReactNode } from "react";
import { useState } from "react";
import { useMayChange } from "@/shared/api/role";
import type { SessionDetail, Turn } from "@/shared/api/types";
import { formatCompact, formatCount, formatDuration, formatExactMoment, formatMoment } from "@/shared/format";
import { formatPermille } from "@/shared/measures";
import { CallsLink } from "@/shared/search/CallsLink";
import { StopDialog } from "@/shared/ui/dialogs/StopDialog";
import { Money } from "@/shared/ui/figures/Money";
import { DangerButton, SideButton, TextButton } from "@/shared/ui/forms/buttons";
import { Card } from "@/shared/ui/page/Card";
import { Loaded } from "@/shared/ui/page/Loaded";
import { ContextChart } from "./ContextChart";
import { sessionQuery } from "./queries";
import { SessionTree } from "./SessionTree";
import { TurnTable } from "./TurnTable";

interface SessionViewProps {
  session: string;
  tz: string;
  opened: string | undefined;
  open: (id: string) => void;
  back: () => void;
}

/** One session: what it cost, who of its agents and steps spent it, how the context grew turn by turn. */
export function SessionView({ session, tz, opened, open, back }: SessionViewProps): ReactElement {
  const detail = useQuery(sessionQuery(session));
  const mayStop = useMayChange();
  const [stopping, setStopping] = useState(false);
  return (
    <div className="flex min-w-0 flex-col gap-6">
      <div className="flex flex-wrap items-center gap-3">
        <SideButton onClick={back}>← All sessions</SideButton>
        <h2 className="min-w-0 flex-1 truncate text-[17px] font-semibold tracking-tight" title={session}>
          {session}
        </h2>
        {detail.data?.stopped ? (
          <span className="rounded-full bg-bad-soft px-2.5 py-1 text-[12.5px] font-medium text-bad">
            Stopped: its calls are refused
          </span>
        ) : mayStop && detail.data ? (
          <DangerButton onClick={() => setStopping(true)}>Stop this session</DangerButton>
        ) : null}
      </div>
      <Loaded
        query={detail}
        skeleton={<div className="skeleton h-96" />}
        className="flex min-w-0 flex-col gap-6"
      >
        {(data) => (
          <>
            <Figures detail={data} tz={tz} />
            <SentAgain detail={data} open={open} />
            <Card title="Agents and steps">
              <SessionTree session={session} nodes={data.nodes} />
            </Card>
            <Card title="Context, turn by turn">
              <ContextChart turns={data.turns} open={open} />
            </Card>
            <Card
              title="Turns"
              aside={
                data.truncated ? (
                  <CallsLink
                    where={{ session: data.session }}
                    written={{ since: "all" }}
                    className="text-[12.5px] text-warn"
                  >
                    The first {formatCount(data.turns.length)} of {formatCount(data.sums.calls)}; open all
                  </CallsLink>
                ) : null
              }
            >
              <TurnTable turns={data.turns} tz={tz} opened={opened} open={open} />
            </Card>
          </>
        )}
      </Loaded>
      {stopping ? (
        <StopDialog stopped={{ dimension: "session", value: session }} close={() => setStopping(false)} />
      ) : null}
    </div>
  );
}

function Figures({ detail, tz }: { detail: SessionDetail; tz: string }): ReactElement {
  const { sums } = detail;
  const cached = sums.input_tokens > 0 ? (sums.cache_read_input_tokens * 1000) / sums.input_tokens : null;
  const agents = detail.nodes.filter(({ kind, name }) => kind === "agent" && name !== null).length;
  return (
    <dl className="grid grid-cols-2 gap-x-6 gap-y-5 md:grid-cols-5">
      <Figure label="Cost" note={`${formatCompact(sums.input_tokens + sums.output_tokens)} tokens`}>
        <Money pico={sums.cost_pico} atLeast={!sums.complete} />
      </Figure>
      <Figure
        label="Calls"
        note={
          sums.errors > 0 ? (
            <CallsLink
              where={{ session: detail.session }}
              written={{ status: "0,4xx,5xx", since: "all" }}
              className="text-bad"
            >
              {formatCount(sums.errors)} failed
            </CallsLink>
          ) : (
            "none failed"
          )
        }
      >
        {formatCount(sums.calls)}
      </Figure>
      <Figure label="Agents" note={agents === 0 ? "no call names one" : "named by its calls"}>
        {agents}
      </Figure>
      <Figure
        label="Input from a cache"
        note={`${formatCompact(sums.cache_creation_input_tokens)} tokens written to one`}
      >
        {cached === null ? "–" : formatPermille(Math.floor(cached))}
      </Figure>
      <Figure
        label="Duration"
        note={
          <span
            title={`${formatExactMoment(detail.first_at, tz)} – ${formatExactMoment(detail.last_at, tz)}`}
          >
            {formatMoment(detail.first_at, tz)} – {formatMoment(detail.last_at, tz)}
          </span>
        }
      >
        {formatDuration(detail.duration_us)}
      </Figure>
    </dl>
  );
}

function Figure({
  label,
  note,
  children,
}: {
  label: string;
  note: ReactNode;
  children: ReactNode;
}): ReactElement {
  return (
    <div className="min-w-0">
      <dt className="label">{label}</dt>
      <dd className="mt-1 text-[24px] leading-8 font-semibold tracking-[-0.02em]">{children}</dd>
      <dd className="mt-0.5 text-[13px] text-soft">{note}</dd>
    </div>
  );
}

/** The turns that sent the most of what an earlier turn had sent already, and that no cache had. */
function SentAgain({
  detail,
  open,
}: {
  detail: SessionDetail;
  open: (id: string) => void;
}): ReactElement | null {
  if (detail.sent_again.length === 0) return null;
  return (
    <ul className="flex flex-col gap-1.5 rounded-xl bg-warn-soft px-4 py-3 text-[13.5px] text-warn">
      {detail.sent_again.map((place) => {
        const turn = detail.turns[place];
        return turn === undefined ? null : (
          <li key={place}>
            <TextButton onClick={() => open(turn.call.event_id)} className="text-warn!">
              Turn {place + 1}
            </TextButton>{" "}
            {againWords(turn)}
            {turn.sent_again_pico === null ? null : (
              <>
                : <Money pico={turn.sent_again_pico} />
              </>
            )}
          </li>
        );
      })}
    </ul>
  );
}

function againWords(turn: Turn): string {
  const who = turn.agent === null ? "" : ` of ${turn.agent}`;
  return `${who} sent up to ${formatCount(turn.sent_again_tokens)} tokens again that no cache had`.trim();
}
