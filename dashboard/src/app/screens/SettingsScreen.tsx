import type { ReactElement } from "react";
import { ConfigurationCard } from "@/features/settings/ConfigurationCard";
import { IdentitiesCard } from "@/features/settings/IdentitiesCard";
import { KeysCard } from "@/features/settings/KeysCard";
import { TokensCard } from "@/features/settings/TokensCard";
import { useMayChange } from "@/shared/api/role";
import { zoneOf } from "@/shared/search/search";
import { useSearch } from "@/shared/search/use-search";
import { useOpenCustomer } from "./use-open-customer";

/** Names of keys, whose calls are whose, tokens, and the configuration with where each value comes from. */
export default function SettingsScreen(): ReactElement {
  const tz = zoneOf(useSearch().search);
  const mayChange = useMayChange();
  const openCustomer = useOpenCustomer();
  return (
    <div className="flex min-w-0 flex-col gap-6">
      <KeysCard tz={tz} mayChange={mayChange} />
      <IdentitiesCard tz={tz} mayChange={mayChange} openCustomer={openCustomer} />
      {mayChange ? (
        <>
          <TokensCard tz={tz} />
          <ConfigurationCard />
        </>
      ) : null}
    </div>
  );
}
