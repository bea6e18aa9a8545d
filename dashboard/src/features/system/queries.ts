import { queryOptions } from "@tanstack/react-query";
import { get } from "@/shared/api/client";
import type { Capture, Diagnosis } from "@/shared/api/types";

export const captureQuery = queryOptions({
  queryKey: ["capture"],
  queryFn: ({ signal }) => get<Capture>("capture", {}, signal),
  refetchInterval: 5_000,
});

/** It takes a second or two: asked for once, and again when wanted. */
export const doctorQuery = queryOptions({
  queryKey: ["doctor"],
  queryFn: ({ signal }) => get<Diagnosis>("doctor", {}, signal),
  staleTime: 60_000,
});
