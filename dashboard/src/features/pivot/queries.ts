import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { get } from "@/shared/api/client";
import { SPEND } from "@/shared/api/queries";
import type { Reads } from "@/shared/api/routes";
import { parametersOf, type Search } from "@/shared/search/search";
import type { PivotChoice } from "./choice";

export function pivotAsked(search: Search, choice: PivotChoice) {
  return {
    ...parametersOf(search),
    rows: choice.rows.join(","),
    columns: choice.columns.join(",") || undefined,
    measure: choice.measure as Reads["pivot"]["query"]["measure"],
    order: choice.order,
    limit: choice.limit,
    columns_limit: choice.columnsLimit,
  };
}

export function pivotQuery(search: Search, choice: PivotChoice) {
  const asked = pivotAsked(search, choice);
  return queryOptions({
    queryKey: [SPEND, "pivot", asked],
    queryFn: ({ signal }) => get("pivot", asked, signal),
    placeholderData: keepPreviousData,
  });
}
