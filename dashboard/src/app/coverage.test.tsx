import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { CoverageChip } from "@/features/spend/CoverageChip";
import { statusQuery } from "@/shared/api/queries";
import type { Status, Summary } from "@/shared/api/types";
import running from "../../../tests/snapshots/api/status_running.json";
import summary from "../../../tests/snapshots/api/summary.json";

it("never says 100 % priced where records are missing", () => {
  const message = "3 calls could not be recorded: totals are too low.";
  const status = { ...running, ledger: { ...running.ledger, state: "degraded", message } } as Status;
  const client = new QueryClient({ defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY } } });
  client.setQueryData(statusQuery.queryKey, status);
  const sums = { ...(summary as Summary).sums, unpriced_calls: 0, priced_percent: "100.0" };
  render(
    <QueryClientProvider client={client}>
      <CoverageChip sums={sums} onClick={() => undefined} />
    </QueryClientProvider>,
  );
  expect(screen.getByText(/Records missing/).title).toBe(message);
});
