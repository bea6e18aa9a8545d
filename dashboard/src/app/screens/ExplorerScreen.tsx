import type { ReactElement } from "react";
import { CallsTable } from "@/features/calls/CallsTable";
import { ColumnChooser } from "@/features/calls/ColumnChooser";
import { readOrder } from "@/features/calls/order";
import { ReceiptPanel } from "@/features/calls/ReceiptPanel";
import { NothingMatches } from "@/features/capture/EmptyState";
import { address } from "@/shared/api/client";
import { parametersOf, whereOf, zoneOf } from "@/shared/search/search";
import { useParam } from "@/shared/search/use-param";
import { useSearch } from "@/shared/search/use-search";
import { ExportMenu } from "@/shared/ui/tables/ExportMenu";
import { Tail } from "./Tail";

/** Each call, and beside it why the one that is open cost what it cost. */
export default function ExplorerScreen(): ReactElement {
  const { search, change, clear } = useSearch();
  const [order] = useParam("order");
  const [direction] = useParam("direction");
  const [columns, setColumns] = useParam("columns");
  const filtered = Object.keys(whereOf(search)).length > 0;
  const sorted = readOrder(order, direction);
  const chosen = columns?.split(",");
  return (
    <div className={`grid gap-6 ${search.call ? "xl:grid-cols-[minmax(0,1fr)_400px]" : ""}`}>
      <section aria-label="Calls" className="card min-w-0 pt-5 pb-2">
        <header className="mb-3 flex min-h-6 flex-wrap items-center gap-x-1 gap-y-2 px-5">
          <h2 className="text-[13.5px] font-semibold tracking-tight">Calls</h2>
          <span className="flex-1" />
          {sorted === undefined ? <Tail /> : null}
          <ExportMenu
            what="calls"
            href={(format) =>
              address("calls", {
                ...parametersOf(search),
                format,
                ...(sorted ? { order: sorted.name, direction: sorted.ascending ? "asc" : "desc" } : {}),
              })
            }
          />
          <ColumnChooser chosen={chosen} choose={(ids) => setColumns(ids?.join(","))} />
        </header>
        <CallsTable
          search={search}
          opened={search.call}
          open={(call) => change({ call })}
          order={sorted}
          sort={(next) =>
            change({ order: next?.name, direction: next?.ascending ? "asc" : undefined } as never)
          }
          chosen={chosen}
          empty={
            <NothingMatches
              filtered={filtered}
              widen={() => (filtered ? clear() : change({ since: "30d", until: undefined }))}
            />
          }
        />
      </section>
      {search.call ? (
        <ReceiptPanel id={search.call} tz={zoneOf(search)} close={() => change({ call: undefined })} />
      ) : null}
    </div>
  );
}
