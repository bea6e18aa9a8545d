import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { address } from "@/shared/api/client";
import type { SeenModel } from "@/shared/api/types";
import { formatCount, words } from "@/shared/format";
import { compareCosts } from "@/shared/measures";
import { BreakdownLink } from "@/shared/search/BreakdownLink";
import { CallsLink } from "@/shared/search/CallsLink";
import type { Search } from "@/shared/search/search";
import { Money } from "@/shared/ui/figures/Money";
import { ListCard } from "@/shared/ui/page/ListCard";
import { byText, type Column, SortTable } from "@/shared/ui/tables/SortTable";
import { ageOf, conditionsOf, priceOf, sourceOf } from "./price-words";
import { seenModelsAsked, seenModelsQuery } from "./queries";

interface ModelsCardProps {
  search: Search;
  opened: string | undefined;
  open: (model: string) => void;
}

export function nameOf(found: SeenModel): string {
  return `${found.provider}/${found.model ?? ""}`;
}

/** The models that were called, with the price row of each, where it is from and how old it is. */
export function ModelsCard({ search, opened, open }: ModelsCardProps): ReactElement {
  const seen = useQuery(seenModelsQuery(search));
  return (
    <ListCard
      title="Models that were called, last 30 days"
      query={seen}
      exported={{
        what: "models",
        href: (format) => address("prices/models", { ...seenModelsAsked(search), format }),
      }}
    >
      {(data) => (
        <>
          <SortTable
            caption="Models and their prices"
            rows={[...data.models].sort((a, b) => compareCosts(b.cost_pico, a.cost_pico))}
            columns={COLUMNS}
            keyOf={nameOf}
            open={(found) => open(nameOf(found))}
            opened={opened}
            empty={
              <p className="py-4 text-[13.5px] text-soft">
                No call of these days. <code className="font-mono text-[12.5px]">farebox prices list</code>{" "}
                shows every known price.
              </p>
            }
          />
          {data.rest_models > 0 ? (
            <p className="mt-3 text-[12.5px] text-warn">
              Only the {formatCount(data.models.length)} most expensive are shown.{" "}
              <BreakdownLink by={["provider", "model"]} where={{ since: "30d" }} className="font-medium">
                The breakdown has the {formatCount(data.rest_models)} others
              </BreakdownLink>
            </p>
          ) : null}
        </>
      )}
    </ListCard>
  );
}

const NEVER_CHECKED = -1;
const MAIN = ["input", "input_uncached", "output", "output_text"];

const COLUMNS: readonly Column<SeenModel>[] = [
  {
    id: "model",
    title: "Model",
    sort: byText(nameOf),
    cell: (found) => (
      <span className="block max-w-64 truncate font-medium" title={nameOf(found)}>
        <span className="font-normal text-soft">{found.provider}/</span>
        {found.model ?? "–"}
      </span>
    ),
  },
  {
    id: "cost",
    title: "Cost",
    right: true,
    sort: (a, b) => compareCosts(a.cost_pico, b.cost_pico),
    cell: (found) => <Money pico={found.cost_pico} atLeast={found.unpriced_calls > 0} />,
  },
  {
    id: "calls",
    title: "Calls",
    right: true,
    sort: (a, b) => a.calls - b.calls,
    cell: (found) => (
      <CallsLink where={{ provider: found.provider, model: found.model }} written={{ since: "30d" }}>
        {formatCount(found.calls)}
      </CallsLink>
    ),
  },
  {
    id: "prices",
    title: "Price in force",
    cell: ({ prices }) =>
      prices.length === 0 ? (
        <span className="rounded-full bg-warn-soft px-2 py-0.5 text-[12px] font-medium text-warn">
          no price
        </span>
      ) : (
        <span className="block max-w-80 truncate text-[12.5px]" title={wholePrice(prices)}>
          {shownOf(prices)
            .map((row) => `${words(row.unit).toLowerCase()} ${priceOf(row)}`)
            .join(" · ")}
        </span>
      ),
  },
  {
    id: "source",
    title: "Source",
    wide: true,
    cell: ({ prices }) => {
      const sources = [...new Set(prices.map(sourceOf))].join(", ");
      return (
        <span className="block max-w-44 truncate" title={sources}>
          {sources || "–"}
        </span>
      );
    },
  },
  {
    id: "age",
    title: "Checked",
    right: true,
    wide: true,
    sort: (a, b) => ageIn(a) - ageIn(b),
    cell: (found) => {
      const days = ageIn(found);
      if (days === NEVER_CHECKED) return "–";
      return days === 0 ? "today" : `${formatCount(days)} d ago`;
    },
  },
];

function ageIn({ prices }: SeenModel): number {
  const ages = prices.map((row) => ageOf(row, new Date())).filter((days) => days !== null);
  return ages.length === 0 ? NEVER_CHECKED : Math.max(...ages);
}

type Prices = SeenModel["prices"];

/** The two that matter most: the plain prices of input and output. */
function shownOf(prices: Prices): Prices {
  const plain = prices.filter((row) => conditionsOf(row) === "");
  const known = plain.length === 0 ? prices : plain;
  const main = known.filter(({ unit }) => MAIN.includes(unit));
  return (main.length === 0 ? known : main).slice(0, 2);
}

function wholePrice(prices: Prices): string {
  return prices
    .map((row) => [words(row.unit), priceOf(row), conditionsOf(row)].filter((part) => part !== "").join(", "))
    .join("\n");
}
