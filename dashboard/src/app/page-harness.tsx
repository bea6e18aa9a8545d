/** The whole page over the server's own snapshots, for tests: its requests and their responses. */

import { readFileSync } from "node:fs";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createMemoryHistory, RouterProvider } from "@tanstack/react-router";
import { render } from "@testing-library/react";
import { afterEach, beforeEach, vi } from "vitest";
import { makeRouter } from "./router";

/** The snapshots are written by the server's tests, so the two cannot drift. */
export function snapshot(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(`../tests/snapshots/api/${name}.json`, "utf8")) as Record<string, unknown>;
}

export class FakeEvents extends EventTarget {
  static last: FakeEvents | undefined;
  static opened = 0;
  onerror: (() => void) | null = null;
  readyState = 0;
  constructor(readonly url: string) {
    super();
    FakeEvents.last = this;
    FakeEvents.opened += 1;
  }
  close(): void {
    this.readyState = 2;
  }
  push(name: string, data: unknown): void {
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
  }
}

/** The server: a test may change it, and the next starts with a fresh one. */
export const server = {
  asked: [] as string[],
  /** What was to be changed. */
  sent: [] as { method: string; path: string; type: string | undefined; body: string | undefined }[],
  failWith: null as [number, unknown] | null,
  status: "status_running",
  keyLabels: {} as Record<string, string>,
  /** Return what to answer in place of a snapshot, or a promise of it; undefined for the snapshot. */
  instead: (_path: string, _query: URLSearchParams, _method: string): unknown => undefined,
};

function answer(path: string, query: URLSearchParams): unknown {
  if (path === "status") {
    const body = { ...snapshot(server.status), key_labels: server.keyLabels };
    return server.status === "status_running"
      ? { ...body, ledger: { ...(snapshot(server.status).ledger as object), last_seq: 9 } }
      : body;
  }
  if (path === "breakdown") return snapshot(`breakdown_${query.get("by")}`);
  if (path === "series") return snapshot("series_hour");
  if (path === "heat-map") return snapshot("heat_map");
  if (path === "calls/019aa000-0000-7000-8000-000000000007") return snapshot("receipt_unpriced");
  if (path.startsWith("calls/")) return snapshot("receipt");
  return snapshot(path);
}

async function respond(url: string, init: RequestInit = {}): Promise<Response> {
  server.asked.push(url);
  if (server.failWith !== null) {
    return new Response(JSON.stringify(server.failWith[1]), { status: server.failWith[0] });
  }
  const { pathname, searchParams } = new URL(url, "http://127.0.0.1");
  const path = pathname.replace("/api/v1/", "");
  const { method = "GET", body, headers } = init;
  if (method !== "GET") {
    const type = (headers as Record<string, string> | undefined)?.["content-type"];
    server.sent.push({ method, path, type, body: body?.toString() });
  }
  const given = await server.instead(path, searchParams, method);
  if (given instanceof Response) return given;
  return new Response(JSON.stringify(given ?? answer(path, searchParams)), { status: 200 });
}

export function servePage(): void {
  beforeEach(() => {
    server.asked = [];
    server.sent = [];
    server.failWith = null;
    server.status = "status_running";
    server.keyLabels = {};
    server.instead = () => undefined;
    vi.stubGlobal("EventSource", FakeEvents);
    vi.stubGlobal("scrollTo", () => undefined);
    vi.stubGlobal("fetch", respond);
    // The table draws the rows that fit the window: give it one.
    Object.defineProperty(window, "innerHeight", { value: 2000, configurable: true });
    Object.defineProperty(HTMLElement.prototype, "offsetHeight", { value: 2000, configurable: true });
  });
  afterEach(() => vi.unstubAllGlobals());
}

export function show(address = "/?tz=Europe/Berlin"): ReturnType<typeof makeRouter> {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const router = makeRouter(createMemoryHistory({ initialEntries: [address] }));
  render(
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>,
  );
  return router;
}
