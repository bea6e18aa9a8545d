import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, renderHook } from "@testing-library/react";
import { createElement, type ReactNode } from "react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { LiveMinutes } from "@/shared/api/types";
import type { Live } from "@/shared/live-state";
import { mergeMinutes, useLive } from "./use-live";

const MINUTE = 60_000;

function minutes(first: number, costs: string[]): LiveMinutes {
  return {
    starts_ms: costs.map((_, index) => (first + index) * MINUTE),
    cost_pico: costs,
    calls: costs.map(() => 1),
    unpriced_calls: costs.map(() => 0),
    last_seq: 1,
  };
}

it("replaces a minute that is sent again, so that nothing is counted twice", () => {
  const merged = mergeMinutes(minutes(10, ["5", "6"]), minutes(11, ["9", "1"]));
  expect(merged.starts_ms).toEqual([10 * MINUTE, 11 * MINUTE, 12 * MINUTE]);
  expect(merged.cost_pico).toEqual(["5", "9", "1"]);
});

it("keeps an hour and puts a late minute where it belongs", () => {
  const full = minutes(
    100,
    Array.from({ length: 61 }, () => "1"),
  );
  const merged = mergeMinutes(full, minutes(120, ["7"]));
  expect(merged.starts_ms.length).toBe(61);
  expect(merged.cost_pico[20]).toBe("7");
  expect(mergeMinutes(full, minutes(161, ["2"])).starts_ms[0]).toBe(101 * MINUTE);
});

class Stream extends EventTarget {
  static all: Stream[] = [];
  onerror: (() => void) | null = null;
  readyState = 0;
  constructor(readonly url: string) {
    super();
    Stream.all.push(this);
  }
  close(): void {
    this.readyState = 2;
  }
}

const last = (): Stream => Stream.all.at(-1) as Stream;
const hello = (): void =>
  act(() => {
    last().dispatchEvent(new MessageEvent("hello", { data: JSON.stringify({ last_seq: 1, at_ms: 0 }) }));
  });
const pass = (ms: number): void =>
  act(() => {
    vi.advanceTimersByTime(ms);
  });

function listen(): { current: Live } {
  const client = new QueryClient();
  const wrapper = ({ children }: { children: ReactNode }): ReactNode =>
    createElement(QueryClientProvider, { client }, children);
  return renderHook(() => useLive({}, false), { wrapper }).result;
}

beforeEach(() => {
  Stream.all = [];
  vi.useFakeTimers({ now: Date.parse("2026-11-20T15:00:00Z") });
  vi.stubGlobal("EventSource", Stream);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("is live when the server has said something, not when a connection is open", () => {
  const live = listen();
  expect(live.current.state).toBe("connecting");
  act(() => {
    last().dispatchEvent(new Event("open"));
  });
  expect(live.current.state).toBe("connecting");
  hello();
  expect(live.current.state).toBe("live");
});

it("is not live over a connection that is silent, and says since when", () => {
  const live = listen();
  hello();
  pass(14_000);
  expect(live.current.state).toBe("live");
  pass(2_000);
  expect(live.current.state).toBe("reconnecting");
  pass(5_000);
  expect(live.current.state).toBe("stopped");
  expect(live.current.heardAt).toBe(Date.parse("2026-11-20T15:00:00Z"));
  hello();
  expect(live.current.state).toBe("live");
});

it("opens a stream again that was refused, for a browser does not", () => {
  const live = listen();
  hello();
  pass(6_000);
  const [refused] = Stream.all;
  act(() => {
    last().readyState = 2;
    last().onerror?.();
  });
  expect(live.current.state).toBe("reconnecting");
  expect(Stream.all.length).toBe(2);
  expect(refused?.readyState).toBe(2);
  hello();
  expect(live.current.state).toBe("live");
});

it("is not live where the server says that it cannot read the ledger", () => {
  const live = listen();
  hello();
  act(() => {
    last().dispatchEvent(new MessageEvent("failed", { data: "{}" }));
  });
  expect(live.current.state).toBe("reconnecting");
  pass(21_000);
  expect(live.current.state).toBe("stopped");
});
