import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { allRows, type PageAsked } from "@/shared/api/all-rows";
import { get } from "@/shared/api/client";
import { besides } from "@/shared/ui/forms/MonthPicker";

/** Revenue, cost and margin of every customer, of billing periods that begin in a month. */
export function marginQuery(month: string) {
  return queryOptions({
    queryKey: ["margin", month],
    queryFn: ({ signal }) =>
      allRows((page: PageAsked) => get("margin", { ...monthOf(month), ...page }, signal), "rows"),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });
}

/** The margin of customers in a month, as the API is asked for it. */
export function monthOf(month: string): { by: "customer"; since: string; until: string } {
  return { by: "customer", since: `${month}-01`, until: `${besides(month, 1)}-01` };
}

/** What customers cost a day, over the last 30 days. */
export function trendQuery(tz: string) {
  return queryOptions({
    queryKey: ["customer-trend", tz],
    queryFn: ({ signal }) => get("series", { since: "30d", tz, bucket: "day", by: "customer" }, signal),
    staleTime: 60_000,
  });
}

/** What calls say of customers, whether these are set up or not. */
export function statedQuery(tz: string) {
  return queryOptions({
    queryKey: ["customers-stated", tz],
    queryFn: ({ signal }) => get("breakdown", { since: "30d", tz, by: "customer", limit: 200 }, signal),
    staleTime: 60_000,
  });
}

/** The budgets, as far as they are for customers. */
export const customerBudgetsQuery = queryOptions({
  queryKey: ["budgets"],
  queryFn: ({ signal }) => allRows((page: PageAsked) => get("budgets", page, signal), "budgets"),
  refetchInterval: 15_000,
});
