import { useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";

/** Go to a customer's page, the span as it is. */
export function useOpenCustomer(): (customer: string) => void {
  const navigate = useNavigate();
  return useCallback(
    (customer) => {
      void navigate({
        to: "/customers",
        search: ({ tz }: Record<string, unknown>) => ({ tz, customer }),
      } as never);
    },
    [navigate],
  );
}
