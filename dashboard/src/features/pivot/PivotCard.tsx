import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { address as addressOf } from "@/shared/api/client";
import { titleOf } from "@/shared/measures";
import type { Search } from "@/shared/search/search";
import type { Address } from "@/shared/search/use-address";
import { SideButton } from "@/shared/ui/forms/buttons";
import { Card } from "@/shared/ui/page/Card";
import { Loaded } from "@/shared/ui/page/Loaded";
import { COLUMNS_MAX, ROWS_MAX, readChoice } from "./choice";
import { PivotControls } from "./PivotControls";
import { PivotTable } from "./PivotTable";
import { pivotText } from "./pivot-text";
import { pivotAsked, pivotQuery } from "./queries";

interface PivotCardProps {
  search: Search;
  address: Address;
  change: (changes: Address) => void;
  /** What stands where no call matches. */
  empty: ReactElement;
}

/** One measure over any dimensions and tags, as a table. */
export function PivotCard({ search, address, change, empty }: PivotCardProps): ReactElement {
  const choice = readChoice(address);
  const pivot = useQuery(pivotQuery(search, choice));
  const more = (rest: number, shown: number, most: number, name: string): (() => void) | undefined =>
    rest > 0 && shown < most ? () => change({ [name]: String(Math.min(shown * 2, most)) }) : undefined;
  return (
    <>
      <PivotControls choice={choice} change={change} />
      <Card
        title={titleOf(choice.measure)}
        exported={{
          what: "this table",
          // A file has every row and column, not those that fit the screen.
          href: (format) =>
            addressOf("pivot", {
              ...pivotAsked(search, choice),
              limit: undefined,
              columns_limit: undefined,
              format,
            }),
        }}
        aside={
          pivot.data === undefined ? null : (
            <SideButton
              onClick={() => pivot.data && void navigator.clipboard.writeText(pivotText(pivot.data))}
            >
              Copy
            </SideButton>
          )
        }
      >
        <Loaded query={pivot} skeleton={<div className="skeleton h-72" />}>
          {(data) =>
            data.total.calls === 0 ? (
              empty
            ) : (
              <PivotTable
                pivot={data}
                order={choice.order}
                turn={() => change({ order: choice.order === "asc" ? undefined : "asc" })}
                moreRows={more(data.rest_rows, choice.limit, ROWS_MAX, "limit")}
                moreColumns={more(data.rest_columns, choice.columnsLimit, COLUMNS_MAX, "columns_limit")}
              />
            )
          }
        </Loaded>
      </Card>
    </>
  );
}
