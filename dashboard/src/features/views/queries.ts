import { queryOptions } from "@tanstack/react-query";
import { get, send } from "@/shared/api/client";
import type { SavedViews, ViewRequest } from "@/shared/api/types";

export const VIEWS = "views";

export const viewsQuery = queryOptions({
  queryKey: [VIEWS],
  queryFn: ({ signal }) => get("views", {}, signal), // no more than one page of them can be kept
});

/** Keep a view under a name, in place of one that has it. */
export function saveView(view: ViewRequest): Promise<SavedViews> {
  return send("PUT", "views", view);
}

export function removeView(name: string): Promise<SavedViews> {
  return send("DELETE", "views", undefined, { name });
}

/** What of an address makes a view: everything but the open call. */
export function viewOf(search: string): string {
  const parameters = new URLSearchParams(search);
  parameters.delete("call");
  return parameters.toString();
}

/** The parameters that a view's address has. */
export function parametersOf(search: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(search));
}
