import type { ReactElement } from "react";
import { HistoryPanel } from "@/features/prices/HistoryPanel";
import { ModelsCard } from "@/features/prices/ModelsCard";
import { UnpricedCard } from "@/features/prices/UnpricedCard";
import { UpdatesCard } from "@/features/prices/UpdatesCard";
import { useMayChange } from "@/shared/api/role";
import { zoneOf } from "@/shared/search/search";
import { useAddress } from "@/shared/search/use-address";
import { useSearch } from "@/shared/search/use-search";
import { WithPanel } from "@/shared/ui/dialogs/SidePanel";

/** Whether the figures are right: the price of each model that was called, what has none, how it is kept new. */
export default function PricesScreen(): ReactElement {
  const { search } = useSearch();
  const [{ price: opened }, change] = useAddress();
  const mayChange = useMayChange();
  const tz = zoneOf(search);
  return (
    <div className="flex min-w-0 flex-col gap-6">
      <UnpricedCard mayChange={mayChange} />
      <WithPanel
        panel={
          opened ? (
            <HistoryPanel
              key={opened}
              name={opened}
              mayChange={mayChange}
              close={() => change({ price: undefined })}
            />
          ) : null
        }
      >
        <ModelsCard
          search={{ tz }}
          opened={opened}
          open={(name) => change({ price: name === opened ? undefined : name })}
        />
      </WithPanel>
      <UpdatesCard tz={tz} />
    </div>
  );
}
