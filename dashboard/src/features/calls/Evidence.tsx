import type { ReactElement } from "react";
import type { Correction, EstimateBounds, Receipt, Witness } from "@/shared/api/types";
import { formatCount, formatExactMoment, words } from "@/shared/format";
import { Money } from "@/shared/ui/figures/Money";

const WITNESS_NAME: Record<string, string> = {
  proxy: "The proxy",
  sdk: "The SDK",
  otlp: "OpenTelemetry",
  agent_log: "An agent's log",
  import: "An import",
  event: "An event",
};

/** What makes the amount believable: who saw the call, how sure an estimate is, what was corrected since. */
export function Evidence({ receipt, tz }: { receipt: Receipt; tz: string }): ReactElement {
  return (
    <>
      {receipt.estimate ? <Bounds estimate={receipt.estimate} /> : null}
      <section>
        <h3 className="font-medium">Seen by</h3>
        <ul className="mt-1.5 flex flex-col gap-2">
          {receipt.witnesses.length === 0 ? (
            <li>
              {witnessName(receipt.witness)}{" "}
              <span className="font-mono text-[11.5px] break-all text-soft">{receipt.source}</span>
            </li>
          ) : (
            receipt.witnesses.map((witness) => (
              <li key={`${witness.source} ${witness.event_id}`}>
                <Seen witness={witness} tz={tz} />
              </li>
            ))
          )}
        </ul>
        {receipt.witnesses.length > 1 ? (
          <p className="mt-1.5 text-[12px] text-soft">One call, counted once.</p>
        ) : null}
      </section>
      {receipt.corrections.length > 0 ? (
        <section>
          <h3 className="font-medium">Corrected since</h3>
          <ol className="mt-1.5 flex flex-col gap-2">
            {receipt.corrections.map((correction) => (
              <li key={`${correction.recorded_at} ${correction.kind}`}>
                <Corrected correction={correction} tz={tz} />
              </li>
            ))}
          </ol>
        </section>
      ) : null}
    </>
  );
}

function witnessName(kind: string): string {
  return WITNESS_NAME[kind] ?? words(kind);
}

function Seen({ witness, tz }: { witness: Witness; tz: string }): ReactElement {
  const tokens = (count: number | null): string => (count === null ? "no usage" : formatCount(count));
  return (
    <>
      <p className="flex flex-wrap items-baseline gap-x-2">
        <span>{witnessName(witness.kind)}</span>
        <span className="text-soft">
          {tokens(witness.input_tokens)} in, {tokens(witness.output_tokens)} out · {witness.completeness}
        </span>
      </p>
      <p className="text-[12px] text-soft" title={`Recorded ${witness.recorded_at}`}>
        {formatExactMoment(witness.occurred_at, tz).split(" · ")[0]} ·{" "}
        <span className="font-mono text-[11.5px] break-all">{witness.source}</span>
      </p>
      {witness.disagrees.length > 0 ? (
        <p className="text-[12px] text-warn">
          Says something else about {witness.disagrees.map((name) => words(name).toLowerCase()).join(", ")}.
        </p>
      ) : null}
    </>
  );
}

function Bounds({ estimate }: { estimate: EstimateBounds }): ReactElement {
  return (
    <section>
      <h3 className="font-medium">Estimated</h3>
      <p className="mt-1.5 text-soft">
        Nobody stated the usage. By {estimate.method}:{" "}
        {range(estimate.input_tokens_low, estimate.input_tokens_high)} in,{" "}
        {range(estimate.output_tokens_low, estimate.output_tokens_high)} out
        {estimate.cost_low_pico === null ? null : (
          <>
            , between <Money pico={estimate.cost_low_pico} /> and{" "}
            {estimate.cost_high_pico === null ? "more" : <Money pico={estimate.cost_high_pico} />}
          </>
        )}
        .
      </p>
    </section>
  );
}

function range(low: number, high: number | null): string {
  if (high === null) return `${formatCount(low)} or more`;
  return low === high ? formatCount(low) : `${formatCount(low)}–${formatCount(high)}`;
}

function Corrected({ correction, tz }: { correction: Correction; tz: string }): ReactElement {
  const amount = (state: string, pico: string | null): ReactElement => (
    <>{pico === null ? words(state).toLowerCase() : <Money pico={pico} atLeast={state === "unpriced"} />}</>
  );
  return (
    <>
      <p className="flex flex-wrap items-baseline gap-x-2">
        <span>{words(correction.kind)}</span>
        <span className="text-soft">
          {amount(correction.was_cost_state, correction.was_cost_pico)} →{" "}
          {amount(correction.cost_state, correction.cost_pico)}
        </span>
      </p>
      <p className="text-[12px] text-soft">
        {formatExactMoment(correction.recorded_at, tz).split(" · ")[0]} ·{" "}
        {words(correction.because).toLowerCase()}
      </p>
    </>
  );
}
