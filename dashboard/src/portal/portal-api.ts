/** Ask the portal. The link's secret is in the address's fragment, which no browser sends, and in memory. */

import { ApiError } from "@/shared/api/client";
import type { ErrorBody } from "@/shared/api/types";

let secret = "";

/** Take the secret of a link's address, `#fbx_portal_…`; return whether there is one. */
export function takeSecret(fragment: string): boolean {
  secret = fragment.replace(/^#/, "");
  return secret !== "";
}

export async function ask<T>(
  path: string,
  query: Readonly<Record<string, string | undefined>> = {},
  signal?: AbortSignal,
): Promise<T> {
  return (await (await request(path, query, signal)).json()) as T;
}

/** Let the browser save a document. A plain link could not carry the secret. */
export async function save(path: string, query: Readonly<Record<string, string>>): Promise<void> {
  const response = await request(path, query);
  const name =
    /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? "document";
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

async function request(
  path: string,
  query: Readonly<Record<string, string | undefined>>,
  signal?: AbortSignal,
): Promise<Response> {
  const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const text = new URLSearchParams(given).toString();
  let response: Response;
  try {
    response = await fetch(`/api/v1/portal/${path}${text ? `?${text}` : ""}`, {
      ...(secret ? { headers: { authorization: `Bearer ${secret}` } } : {}),
      credentials: "omit",
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(
      0,
      "unreachable",
      "The page's server is not responding. Please try again in a moment.",
    );
  }
  if (response.ok) return response;
  throw await failure(response);
}

async function failure(response: Response): Promise<ApiError> {
  try {
    const { code, message, details } = (await response.json()) as ErrorBody;
    return new ApiError(response.status, code, message, details);
  } catch {
    return new ApiError(response.status, "unreadable_response", "The server's response cannot be read.");
  }
}
