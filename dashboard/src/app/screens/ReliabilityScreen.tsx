import type { ReactElement } from "react";
import { NothingMatches } from "@/features/capture/EmptyState";
import { ErrorsCard } from "@/features/reliability/ErrorsCard";
import { QualityCard } from "@/features/reliability/QualityCard";
import { VALUES_MAX } from "@/features/reliability/queries";
import { SeriesCard } from "@/features/reliability/SeriesCard";
import { ServiceCard } from "@/features/reliability/ServiceCard";
import { DIMENSIONS, type Dimension, whereOf } from "@/shared/search/search";
import { useAddress } from "@/shared/search/use-address";
import { useSearch } from "@/shared/search/use-search";

/** How fast and how reliably the providers responded, and what came of it. */
export default function ReliabilityScreen(): ReactElement {
  const { search, change: narrow, clear } = useSearch();
  const [address, change] = useAddress();
  const by: Dimension = DIMENSIONS.find((name) => name === address.by) ?? "model";
  const limit = address.values === "all" ? VALUES_MAX : undefined;
  const filtered = Object.keys(whereOf(search)).length > 0;
  const widen = (): void => (filtered ? clear() : narrow({ since: "30d", until: undefined }));
  return (
    <>
      <SeriesCard
        search={search}
        shown={address.lines}
        bucket={address.bucket}
        change={change}
        choose={(sinceMs, untilMs) =>
          narrow({ since: new Date(sinceMs).toISOString(), until: new Date(untilMs).toISOString() })
        }
      />
      <ServiceCard
        search={search}
        by={by}
        limit={limit}
        change={(name) => change({ by: name === "model" ? undefined : name, values: undefined })}
        openRest={() => change({ values: "all" })}
        empty={<NothingMatches filtered={filtered} widen={widen} />}
      />
      <div className="grid gap-6 lg:grid-cols-2">
        <ErrorsCard search={search} by={by} limit={limit} />
        <QualityCard search={search} good={address.good ?? "0.5"} change={(good) => change({ good })} />
      </div>
    </>
  );
}
