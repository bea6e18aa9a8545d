import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Quality, QualityResult } from "@/shared/api/types";
import { formatCount } from "@/shared/format";
import { type Dimension, labelOf, type Search } from "@/shared/search/search";
import { Money } from "@/shared/ui/figures/Money";
import { Card } from "@/shared/ui/page/Card";
import { Copyable } from "@/shared/ui/page/Copyable";
import { Loaded } from "@/shared/ui/page/Loaded";
import { qualityQuery } from "./queries";

interface QualityCardProps {
  search: Search;
  good: string;
  change: (good: string | undefined) => void;
}

const CELL = "py-1.5 pl-4 text-right whitespace-nowrap";

/** What came of the work: outcomes and scores, and the cost of a good one. */
export function QualityCard({ search, good, change }: QualityCardProps): ReactElement {
  const found = useQuery(qualityQuery(search, good));
  return (
    <Card
      title="Outcomes and scores"
      aside={
        <label className="flex items-center gap-2 text-[12.5px] whitespace-nowrap text-soft">
          Good from
          <input
            inputMode="decimal"
            defaultValue={good}
            aria-label="A score is good from"
            onBlur={(event) => {
              const said = event.target.value.trim();
              if (/^-?\d{1,12}(\.\d{1,12})?$/.test(said)) change(said);
              else event.target.value = good;
            }}
            onKeyDown={(event) => {
              if (event.key === "Enter") event.currentTarget.blur();
            }}
            className="w-16 rounded-lg border border-line bg-card px-2 py-1 text-right text-[13px] text-ink"
          />
        </label>
      }
    >
      <Loaded query={found} skeleton={<div className="skeleton h-40" />}>
        {(data) =>
          data.outcomes.length + data.scores.length === 0 ? <NoResults /> : <Results quality={data} />
        }
      </Loaded>
    </Card>
  );
}

function Results({ quality }: { quality: Quality }): ReactElement {
  return (
    <>
      <div className="-mx-5 overflow-x-auto px-5">
        <table className="w-full text-[13px]">
          <caption className="sr-only">Outcomes and scores</caption>
          <thead className="text-left text-[12.5px] text-soft">
            <tr>
              <th scope="col" className="pb-2 font-medium">
                Name
              </th>
              {["Count", "Average", "Good", "Cost of a good one"].map((title) => (
                <th key={title} scope="col" className="pb-2 pl-4 text-right font-medium whitespace-nowrap">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {quality.outcomes.map((result) => (
              <Result key={`outcome ${result.name}`} result={result} kind="outcome" quality={quality} />
            ))}
            {quality.scores.map((result) => (
              <Result key={`score ${result.name}`} result={result} kind="score" quality={quality} />
            ))}
          </tbody>
        </table>
      </div>
      <p className="mt-3 text-[12.5px] text-soft">
        The cost of a good one is that of all {formatCount(quality.calls)} calls of the span,{" "}
        <Money pico={quality.cost_pico} atLeast={quality.at_least} />, for each good one.
        {quality.left_out.length > 0
          ? ` Outcomes and scores have no ${quality.left_out.map((name) => labelOf(name as Dimension).toLowerCase()).join(", ")}: these filters narrow the calls alone.`
          : ""}
      </p>
    </>
  );
}

interface ResultProps {
  result: QualityResult;
  kind: string;
  quality: Quality;
}

function Result({ result, kind, quality }: ResultProps): ReactElement {
  return (
    <tr className="border-t border-line">
      <th scope="row" className="max-w-64 truncate py-1.5 text-left font-medium" title={result.name}>
        {result.name} <span className="font-normal text-faint">{kind}</span>
      </th>
      <td className={CELL}>{formatCount(result.count)}</td>
      <td className={CELL}>{result.average ?? "–"}</td>
      <td className={CELL}>
        {formatCount(result.good)}
        {result.count > 0 ? (
          <span className="text-soft"> {Math.floor((result.good * 100) / result.count)} %</span>
        ) : null}
      </td>
      <td className={`${CELL} font-medium`}>
        {result.cost_per_good_pico === null ? (
          <span title="There is no good one">–</span>
        ) : (
          <Money pico={result.cost_per_good_pico} atLeast={quality.at_least} />
        )}
      </td>
    </tr>
  );
}

function NoResults(): ReactElement {
  return (
    <div className="max-w-xl py-2 text-[13.5px]">
      <p className="font-medium">No outcome or score of this span is recorded.</p>
      <p className="mt-1 mb-3 text-soft">
        Say from your program what came of a task, and what it cost is shown here:
      </p>
      <Copyable
        label="a score from Python"
        text={
          'farebox.score(task="t-1", name="faithfulness", value=0.92)\nfarebox.outcome(task="t-1", name="resolved")'
        }
      />
    </div>
  );
}
