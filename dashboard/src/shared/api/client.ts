/** Ask API v1. One error type; components show pending, error, data, in that order. */

import type { ErrorBody } from "./types";

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

export function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  return ask<T>(path, query, signal ? { signal } : {});
}

/** Change something. A text is sent as YAML, anything else as JSON. */
export function send<T>(
  method: "POST" | "PUT" | "DELETE",
  path: string,
  body?: unknown,
  query: Query = {},
): Promise<T> {
  if (body === undefined) return ask<T>(path, query, { method });
  const [type, text] =
    typeof body === "string" ? ["application/yaml", body] : ["application/json", JSON.stringify(body)];
  return ask<T>(path, query, { method, body: text, headers: { "content-type": type } });
}

async function ask<T>(path: string, query: Query, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(address(path, query), init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "Farebox is not responding. Is it still running?");
  }
  if (response.ok) return (await response.json()) as T;
  throw await failure(response);
}

export function address(path: string, query: Query): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((each) => [name, String(each)]),
  );
  const text = new URLSearchParams(given).toString();
  return `/api/v1/${path}${text ? `?${text}` : ""}`;
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
