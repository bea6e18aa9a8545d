/** Views of the explorer that were given a name: addresses, kept in this browser. */

import { useSyncExternalStore } from "react";

export interface SavedView {
  name: string;
  /** The address's parameters, with what is open left out. */
  search: string;
}

const KEY = "farebox.explorer.views";
const changed = new EventTarget();
let read: { text: string | null; views: readonly SavedView[] } = { text: null, views: [] };

export function useSavedViews(): readonly SavedView[] {
  return useSyncExternalStore(subscribe, savedViews);
}

export function savedViews(): readonly SavedView[] {
  const text = localStorage.getItem(KEY);
  if (text !== read.text) read = { text, views: parsed(text) };
  return read.views;
}

/** Keep a view under a name, in place of one that has it. */
export function saveView(view: SavedView): void {
  write([...savedViews().filter(({ name }) => name !== view.name), view]);
}

export function removeView(name: string): void {
  write(savedViews().filter((view) => view.name !== name));
}

/** What of an address makes a view: everything but the open call. */
export function viewOf(search: string): string {
  const parameters = new URLSearchParams(search);
  parameters.delete("call");
  return parameters.toString();
}

function write(views: readonly SavedView[]): void {
  localStorage.setItem(KEY, JSON.stringify(views));
  changed.dispatchEvent(new Event("change"));
}

/** What somebody else has written there is no view. */
function parsed(text: string | null): SavedView[] {
  try {
    const found: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(found) ? found.filter(isView) : [];
  } catch {
    return [];
  }
}

function isView(each: unknown): each is SavedView {
  const view = each as Partial<SavedView> | null;
  return typeof view?.name === "string" && typeof view.search === "string";
}

function subscribe(told: () => void): () => void {
  changed.addEventListener("change", told);
  window.addEventListener("storage", told); // another tab
  return () => {
    changed.removeEventListener("change", told);
    window.removeEventListener("storage", told);
  };
}
