import { queryOptions } from "@tanstack/react-query";
import { allRows, type PageAsked } from "@/shared/api/all-rows";
import { get, send } from "@/shared/api/client";
import type { IdentityRequest, Keys, MappedIdentities, TokenCreated, Tokens } from "@/shared/api/types";

export const KEYS = "keys";
export const TOKENS = "tokens";

export const keysQuery = queryOptions({
  queryKey: [KEYS],
  queryFn: ({ signal }) => allRows((page: PageAsked) => get("keys", page, signal), "keys"),
});

export const tokensQuery = queryOptions({
  queryKey: [TOKENS],
  queryFn: ({ signal }) => allRows((page: PageAsked) => get("tokens", page, signal), "tokens"),
});

export const configurationQuery = queryOptions({
  queryKey: ["configuration"],
  queryFn: ({ signal }) => get("configuration", {}, signal),
});

export interface KeySaid {
  fingerprint: string;
  label: string;
  customer: string;
  user: string;
  project: string;
}

/** What is not named is taken away. */
export function labelKey({ fingerprint, label, ...binding }: KeySaid): Promise<Keys> {
  return send("PUT", "keys/{fingerprint}", { label, ...named(binding) }, { fingerprint });
}

export function forgetKey(fingerprint: string): Promise<Keys> {
  return send("DELETE", "keys/{fingerprint}", undefined, { fingerprint });
}

export interface TokenSaid {
  name: string;
  scope: string;
  expires: string;
  customer: string;
  user: string;
  project: string;
}

export function createToken({ name, scope, ...rest }: TokenSaid): Promise<TokenCreated> {
  return send("POST", "tokens", { name, scope, ...named(rest) });
}

export function revokeToken(id: string): Promise<Tokens> {
  return send("DELETE", "tokens/{id}", undefined, { id });
}

function named(fields: Readonly<Record<string, string>>): Record<string, string> {
  const said = Object.entries(fields).map(([name, value]) => [name, value.trim()] as const);
  return Object.fromEntries(said.filter(([, value]) => value !== ""));
}

export function mapIdentity(said: IdentityRequest): Promise<MappedIdentities> {
  return send("PUT", "identities", said);
}

export interface Unmapped {
  dimension: string;
  value: string;
  /** From when it stands for nobody; now where it is left out. */
  at: string | undefined;
}

export function unmapIdentity({ dimension, value, at }: Unmapped): Promise<MappedIdentities> {
  return send("DELETE", "identities", undefined, { dimension, value, at });
}
