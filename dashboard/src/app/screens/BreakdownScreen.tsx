import type { ReactElement } from "react";
import { NothingMatches } from "@/features/capture/EmptyState";
import { PivotCard } from "@/features/pivot/PivotCard";
import { whereOf } from "@/shared/search/search";
import { useAddress } from "@/shared/search/use-address";
import { useSearch } from "@/shared/search/use-search";

/** Cost, or any other measure, by customer and feature, by model and key, by whatever calls say of themselves. */
export default function BreakdownScreen(): ReactElement {
  const { search, change: narrow, clear } = useSearch();
  const [address, change] = useAddress();
  const filtered = Object.keys(whereOf(search)).length > 0;
  const widen = (): void => (filtered ? clear() : narrow({ since: "30d", until: undefined }));
  return (
    <PivotCard
      search={search}
      address={address}
      change={change}
      empty={<NothingMatches filtered={filtered} widen={widen} />}
    />
  );
}
