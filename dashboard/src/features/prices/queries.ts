import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { allRows, type PageAsked } from "@/shared/api/all-rows";
import { get, send } from "@/shared/api/client";
import type { PriceSet, Rerating } from "@/shared/api/types";
import { parametersOf, type Search } from "@/shared/search/search";

export const PRICES = "prices";

export function seenModelsAsked(search: Search) {
  return { ...parametersOf(search), since: search.since ?? "30d" };
}

export function seenModelsQuery(search: Search) {
  const asked = seenModelsAsked(search);
  return queryOptions({
    queryKey: [PRICES, "models", asked],
    queryFn: ({ signal }) =>
      allRows((page: PageAsked) => get("prices/models", { ...asked, ...page }, signal), "models"),
    placeholderData: keepPreviousData,
  });
}

export const unpricedQuery = queryOptions({
  queryKey: [PRICES, "unpriced"],
  queryFn: ({ signal }) => allRows((page: PageAsked) => get("prices/unpriced", page, signal), "models"),
});

export const reratingQuery = queryOptions({
  queryKey: [PRICES, "rerating"],
  queryFn: ({ signal }) => get("prices/rerating", {}, signal),
});

export const newsQuery = queryOptions({
  queryKey: [PRICES, "updates"],
  queryFn: ({ signal }) => get("prices/updates", {}, signal),
});

export function historyQuery(provider: string, model: string) {
  return queryOptions({
    queryKey: [PRICES, "history", provider, model],
    queryFn: ({ signal }) =>
      allRows((page: PageAsked) => get("prices/history", { provider, model, ...page }, signal), "prices"),
  });
}

export interface OwnPrice {
  model: string;
  rates: Record<string, string>;
  per: string;
  from: string;
}

export function setPrice(said: OwnPrice): Promise<PriceSet> {
  return send("PUT", "prices/own", { ...said, from: said.from || null });
}

export function rerate(): Promise<Rerating> {
  return send("POST", "prices/rerating");
}
