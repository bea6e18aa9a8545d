import { queryOptions } from "@tanstack/react-query";
import { get } from "@/shared/api/client";

export const captureQuery = queryOptions({
  queryKey: ["capture"],
  queryFn: ({ signal }) => get("capture", {}, signal),
  refetchInterval: 5_000,
});

/** It takes a second or two: asked for once, and again when wanted. */
export const doctorQuery = queryOptions({
  queryKey: ["doctor"],
  queryFn: ({ signal }) => get("doctor", {}, signal),
  staleTime: 60_000,
});
