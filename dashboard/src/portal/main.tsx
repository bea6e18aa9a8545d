import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError } from "@/shared/api/client";
import "../app/styles.css";
import { Portal } from "./Portal";
import { takeSecret } from "./portal-api";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      refetchOnWindowFocus: false,
      retry: (failures, error) => failures < 2 && !(error instanceof ApiError && error.status < 500),
    },
  },
});

const place = document.getElementById("root");
if (place === null) throw new Error("portal.html has no #root");
const root = createRoot(place);

function draw(): void {
  client.clear();
  const hasSecret = takeSecret(window.location.hash);
  root.render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <Portal key={window.location.hash} hasLink={hasSecret} />
      </QueryClientProvider>
    </StrictMode>,
  );
}

draw();
window.addEventListener("hashchange", draw); // another link in the same tab
