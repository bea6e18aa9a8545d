/** Names of whose a call is. What is empty is not said. */
export interface Names {
  customer?: string | number | null;
  user?: string | number | null;
  agent?: string | number | null;
  session?: string | number | null;
  task?: string | number | null;
  project?: string | number | null;
  app?: string | number | null;
  step?: string | number | null;
  parentStep?: string | number | null;
  /** Dimensions of your own; names fold to lower case. */
  tags?: Record<string, string | number | null | undefined>;
}

export interface ClientOptions extends Names {
  /** Who is called, as the catalog names it (`openai`, `anthropic` …), where the host does not say so. */
  provider?: string;
}

export interface Settings {
  /** The state directory; `FAREBOX_HOME`, else where the platform keeps a user's data. */
  home?: string;
  /** The address of a Farebox that gets the events (`FAREBOX_COLLECTOR`); an empty one for none. */
  collector?: string;
  /** A token of scope `ingest` there (`FAREBOX_TOKEN`). */
  token?: string;
  /** Who is behind addresses that the catalog does not know: `{"http://localhost:11434": "ollama"}`. */
  providers?: Record<string, string>;
  /** Seconds between two files, or two batches (1). */
  flushInterval?: number;
  /** How many bytes of events wait on the disk (64 MiB). */
  spoolBytes?: number;
  /** Called with every error of Farebox's own; these never reach the code that makes the calls. */
  onError?: (error: unknown, doing: string) => void;
}

export interface EventOptions extends Names {
  /** An id of your own: the same id with the same content is one event however often it is recorded. */
  eventId?: string;
  /** When it happened; now where it is not given. */
  occurredAt?: Date | string | number;
}

export interface RecordedCall extends EventOptions {
  provider: string;
  model: string;
  /** Quantities (`{input_uncached: 900, output_text: 50}`), or the provider's own usage object. */
  usage: object;
}

export interface Outcome extends EventOptions {
  value?: number | bigint | string | null;
}

export interface Score extends EventOptions {
  name: string;
  value: number | bigint | string;
}

/** What was given makes no sense, and nothing was recorded. */
export class FareboxError extends Error {}

/** Say where events go and what is metered; what is not given stays as it is. */
export function configure(settings?: Settings): void;

/** Meter every call of this process: global `fetch`, `node:http`, `node:https`, `node:http2`. Twice is once. */
export function instrument(): void;

/** Undo `instrument()`; what is under way is metered to its end. */
export function uninstrument(): void;

/** Return a fetch whose calls are metered: `new OpenAI({ fetch: meter(fetch) })`. */
export function meter<Fetch extends (...args: any[]) => Promise<any>>(fetch: Fetch, options?: ClientOptions): Fetch;
export function meter(fetch?: undefined, options?: ClientOptions): typeof globalThis.fetch;

/** Meter one client and return it: the same object, with the same results and errors. */
export function wrap<Client>(client: Client, options?: ClientOptions): Client;

/** Run a function; the calls it makes, now and later, belong to those named. Inner names win. */
export function attribute<Result>(names: Names, run: () => Result): Result;

/** Record a call of which the program knows the usage; returns its event id, undefined where metering is off. */
export function record(call: RecordedCall): string | undefined;

/** Record what a response cost and return it: a response object, its JSON, or a stream of events. */
export function track<Response>(response: Response, options: ClientOptions & { provider: string; model?: string }): Response;

/** Record that something was achieved. */
export function outcome(name: string, options?: Outcome): string | undefined;

/** Record feedback, or the result of an evaluation. */
export function score(options: Score): string | undefined;

/** Return once what was recorded is where it belongs; false where it is not within `timeout` seconds (10). */
export function flush(options?: { timeout?: number }): Promise<boolean>;
