/** Ask API v1. Paths, parameters and responses are those of `routes.ts`, made from the server's own routes. */

import type { Reads, Writes } from "./routes";
import type { ErrorBody } from "./types";

/** One error type; components show pending, error, data, in that order. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: ErrorBody["details"] = {},
  ) {
    super(message);
    this.name = "ApiError";
  }
}

export type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** Return what there is at a path: `get("calls/{id}", { id })`. */
export async function get<Path extends keyof Reads>(
  path: Path,
  query: Reads[Path]["query"],
  signal?: AbortSignal,
): Promise<Reads[Path]["response"]> {
  return await ask(address(path, query), signal ? { signal } : {});
}

/** Change something: `send("PUT", "budgets/{name}", { limit: "25.00" }, { name })`. A text is sent as YAML. */
export async function send<Method extends "POST" | "PUT" | "DELETE", Path extends PathsOf<Method>>(
  method: Method,
  path: Path,
  ...[body, query]: Given<Write<Method, Path>>
): Promise<Write<Method, Path>["response"]> {
  const target = written(path, (query ?? {}) as Query);
  if (body === undefined) return await ask(target, { method });
  const [type, text] =
    typeof body === "string" ? ["application/yaml", body] : ["application/json", JSON.stringify(body)];
  return await ask(target, { method, body: text, headers: { "content-type": type } });
}

type Given<W extends { query: unknown; body: unknown }> =
  Record<string, never> extends W["query"]
    ? [body?: W["body"] | string, query?: W["query"]]
    : [body: W["body"] | string, query: W["query"]];
type PathsOf<Method extends string> = keyof Writes extends infer Name
  ? Name extends `${Method} ${infer Path}`
    ? Path
    : never
  : never;
type Write<Method extends string, Path extends string> = Writes[Extract<`${Method} ${Path}`, keyof Writes>];

/** Return the address of what can be read; with `format` in the query that of the file. */
export function address<Path extends keyof Reads>(path: Path, query: Reads[Path]["query"]): string {
  return written(path, query as Query);
}

function written(path: string, query: Query): string {
  const left = new Map(Object.entries(query));
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = left.get(name);
    left.delete(name);
    return encodeURIComponent(String(value));
  });
  const given = [...left].flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((each) => [name, String(each)]),
  );
  const text = new URLSearchParams(given).toString();
  return `/api/v1/${filled}${text ? `?${text}` : ""}`;
}

async function ask<Response_>(target: string, init: RequestInit): Promise<Response_> {
  let response: Response;
  try {
    response = await fetch(target, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "Farebox is not responding. Is it still running?");
  }
  if (response.ok) return (await response.json()) as Response_;
  throw await failure(response);
}

async function failure(response: Response): Promise<ApiError> {
  try {
    const body = (await response.json()) as ErrorBody;
    return new ApiError(response.status, body.code, body.message, body.details);
  } catch {
    return new ApiError(
      response.status,
      "unreadable_response",
      `The server responded with status ${response.status}.`,
    );
  }
}
