import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { address } from "@/shared/api/client";
import type { AlertEventView } from "@/shared/api/types";
import { formatCount, formatExactMoment, formatMoment } from "@/shared/format";
import { useAddress } from "@/shared/search/use-address";
import { TextButton } from "@/shared/ui/forms/buttons";
import { Card } from "@/shared/ui/page/Card";
import { Empty } from "@/shared/ui/page/Empty";
import { Loaded } from "@/shared/ui/page/Loaded";
import { ExportMenu } from "@/shared/ui/tables/ExportMenu";
import { historyQuery } from "./queries";
import { SeverityMark } from "./states";

const PAGE = 50;
const MOST = 1_000;

interface HistoryCardProps {
  /** Only of this alert. */
  alert: string | undefined;
  tz: string;
}

/** What fired and recovered, and who was told; also while it was snoozed. */
export function HistoryCard({ alert, tz }: HistoryCardProps): ReactElement {
  const [{ events: wanted }, change] = useAddress();
  const limit = Math.min(Number(wanted) || PAGE, MOST);
  const history = useQuery(historyQuery(alert, limit));
  return (
    <Card
      title={alert === undefined ? "History" : `History of ${alert}`}
      aside={<ExportMenu what="history" href={(format) => address("alert-events", { alert, format })} />}
    >
      <Loaded query={history} skeleton={<div className="skeleton h-32" />}>
        {({ events }) =>
          events.length === 0 ? (
            <Empty title="Nothing has fired yet">
              Alerts are evaluated as calls are recorded, whether or not anybody looks. What fires is here,
              and stays.
            </Empty>
          ) : (
            <>
              <ol className="flex flex-col">
                {events.map((event) => (
                  <Event key={event.id} event={event} tz={tz} />
                ))}
              </ol>
              {events.length < limit ? null : limit < MOST ? (
                <p className="border-t border-line pt-3">
                  <TextButton onClick={() => change({ events: String(Math.min(limit * 2, MOST)) })}>
                    Show earlier ones
                  </TextButton>
                </p>
              ) : (
                <p className="border-t border-line pt-3 text-[12.5px] text-warn">
                  Only the newest {formatCount(MOST)} are shown.{" "}
                  <a
                    href={address("alert-events", { alert, format: "csv" })}
                    download
                    className="font-medium underline underline-offset-4"
                  >
                    All as CSV
                  </a>
                </p>
              )}
            </>
          )
        }
      </Loaded>
    </Card>
  );
}

function Event({ event, tz }: { event: AlertEventView; tz: string }): ReactElement {
  const recovered = event.state === "recovered";
  return (
    <li className="grid gap-x-4 gap-y-0.5 border-t border-line py-2.5 text-[13.5px] first:border-t-0 sm:grid-cols-[9rem_minmax(0,1fr)_auto]">
      <time
        dateTime={event.at}
        title={formatExactMoment(event.at, tz)}
        className="text-[12.5px] whitespace-nowrap text-soft"
      >
        {formatMoment(event.at, tz)}
      </time>
      <span className="min-w-0">
        <span className={recovered ? "text-soft" : ""}>{event.words}</span>
        <span className="block text-[12.5px] text-faint">
          {event.alert}
          {event.basis ? ` · ${event.basis}` : ""}
          {event.measured !== null && event.threshold !== null ? (
            <>
              {" "}
              · exactly {event.is_at_least ? "at least " : ""}
              {event.measured} {event.unit}, threshold {event.threshold}
            </>
          ) : null}
          {" · "}
          {event.told.length > 0 ? `told ${event.told.join(", ")}` : "nobody was told"}
          {canBeOpened(event) ? (
            <Link
              to={"/explorer" as never}
              search={callsOf(event) as never}
              className="ml-2 text-accent underline underline-offset-4"
            >
              calls
            </Link>
          ) : null}
        </span>
      </span>
      <span className="text-[12.5px] whitespace-nowrap text-soft">
        {recovered ? "recovered" : <SeverityMark severity={event.severity} />}
      </span>
    </li>
  );
}

function canBeOpened(event: AlertEventView): boolean {
  const values = Object.values(event.where).flat();
  return event.since !== "" && values.every((value) => !value.includes("*")) && !("process" in event.where);
}

/** The calls of an event: its filters, and an hour before it began until it was found. */
function callsOf(event: AlertEventView): Record<string, string> {
  const filters = Object.entries(event.where).map(([name, values]) => [
    name === "model" ? "plan_model" : name,
    values.map((value) => value.replaceAll(",", "\\,")).join(","),
  ]);
  const hour = 3_600_000;
  const from = new Date(new Date(event.since).getTime() - hour).toISOString();
  return { ...Object.fromEntries(filters), since: from, until: event.at };
}
