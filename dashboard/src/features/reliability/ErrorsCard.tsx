import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { ErrorKind, Reliability } from "@/shared/api/types";
import { formatCount, words } from "@/shared/format";
import { formatPermille } from "@/shared/measures";
import { CallsLink } from "@/shared/search/CallsLink";
import type { Dimension, Search } from "@/shared/search/search";
import { Money } from "@/shared/ui/figures/Money";
import { Share } from "@/shared/ui/figures/Share";
import { Card } from "@/shared/ui/page/Card";
import { Loaded } from "@/shared/ui/page/Loaded";
import { reliabilityQuery } from "./queries";

interface ErrorsCardProps {
  search: Search;
  /** What else of the same question is shown beside: by what, and how many values. */
  by: Dimension;
  limit: number | undefined;
}

/** What calls failed of, most frequent first, and what they cost all the same. */
export function ErrorsCard({ search, by, limit }: ErrorsCardProps): ReactElement {
  const found = useQuery(reliabilityQuery(search, by, limit));
  return (
    <Card title="Failures and retries by kind">
      <Loaded query={found} skeleton={<div className="skeleton h-40" />}>
        {(data) => {
          const retries = <Retries data={data} />;
          if (data.total.errors === 0)
            return (
              <>
                <p className="pt-2 pb-3 text-[13px] text-soft">No call of this span failed.</p>
                {retries}
              </>
            );
          const most = data.errors[0]?.calls ?? 1;
          return (
            <>
              <ul className="flex flex-col gap-2.5 text-[13px]">
                {data.errors.map((kind) => (
                  <li key={`${kind.error_class} ${kind.status} ${kind.outcome}`}>
                    <div className="flex items-baseline gap-3">
                      <span className="min-w-0 flex-1 truncate font-medium">
                        {words(
                          kind.error_class ?? (kind.status >= 400 ? "refused by the provider" : kind.outcome),
                        )}{" "}
                        <span className="font-normal text-faint">
                          {kind.status === 0 ? words(kind.outcome).toLowerCase() : kind.status}
                        </span>
                      </span>
                      {BigInt(kind.cost_pico) > 0n ? (
                        <span className="text-soft" title="What they cost all the same">
                          <Money pico={kind.cost_pico} />
                        </span>
                      ) : null}
                      {kind.retries > 0 ? (
                        <CallsLink
                          where={{ ...whereOfKind(kind), retry: "true" }}
                          className="text-[12.5px] whitespace-nowrap text-soft"
                        >
                          {formatCount(kind.retries)} of them retries
                        </CallsLink>
                      ) : null}
                      <CallsLink where={whereOfKind(kind)} className="font-medium">
                        {formatCount(kind.calls)}
                      </CallsLink>
                    </div>
                    <div className="mt-1">
                      <Share permille={Math.round((kind.calls * 1000) / most)} />
                    </div>
                  </li>
                ))}
                {data.other_errors > 0 ? (
                  <li className="text-soft">
                    <CallsLink where={{}} written={{ status: "0,4xx,5xx" }}>
                      Everything else: {formatCount(data.other_errors)}
                    </CallsLink>
                  </li>
                ) : null}
              </ul>
              {retries}
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}

function whereOfKind(kind: ErrorKind): Record<string, string | null> {
  return { error_class: kind.error_class, status: String(kind.status), outcome: kind.outcome };
}

/** How often a client tried again, and whether that helped. */
function Retries({ data }: { data: Reliability }): ReactElement {
  const { retries, calls } = data.total;
  if (retries === 0)
    return <p className="mt-4 text-[12.5px] text-soft">No call repeated one that had failed.</p>;
  return (
    <p className="mt-4 text-[12.5px] text-soft">
      <CallsLink where={{ retry: "true" }} className="font-medium">
        {formatCount(retries)} {retries === 1 ? "retry" : "retries"}
      </CallsLink>
      , {formatPermille(Math.round((retries * 1000) / calls))} of all calls. Of them{" "}
      <CallsLink where={{ retry: "true" }} written={{ status: "2xx,3xx" }}>
        {formatCount(data.retries_succeeded)} succeeded
      </CallsLink>
      .
    </p>
  );
}
