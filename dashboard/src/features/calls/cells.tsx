import type { ReactElement } from "react";
import type { CallBrief } from "@/shared/api/types";
import { words } from "@/shared/format";
import { Money } from "@/shared/ui/figures/Money";
import { useKeyLabels } from "@/shared/ui/page/KeyName";
import { StateBadge } from "./badges";

export function ModelCell({ call }: { call: CallBrief }): ReactElement {
  return (
    <span className="flex min-w-0 items-baseline gap-2">
      <span className="truncate font-medium">{call.model ?? call.surface}</span>
      <span className="truncate text-[12px] text-soft">{call.provider}</span>
    </span>
  );
}

export function WhoCell({ call }: { call: CallBrief }): ReactElement {
  return <TextCell text={whoOf(call).join(" / ")} />;
}

export function TextCell({ text }: { text: string | null }): ReactElement {
  if (text === null || text === "") return <span className="text-faint">·</span>;
  return (
    <span className="block truncate" title={text}>
      {text}
    </span>
  );
}

/** An API key by the name it has now; by its fingerprint where it has none. */
export function KeyCell({ fingerprint }: { fingerprint: string | null }): ReactElement {
  const labels = useKeyLabels();
  if (fingerprint === null) return <TextCell text={null} />;
  return (
    <span className="block truncate" title={fingerprint}>
      {labels[fingerprint] ?? <span className="font-mono text-[12px]">{fingerprint}</span>}
    </span>
  );
}

export function whoOf(call: CallBrief): string[] {
  return [call.app, call.user ?? call.customer].filter((part) => part !== null);
}

/** What it cost, with how certain that is where it is not a plain price. */
export function CostCell({ call, stacked = false }: { call: CallBrief; stacked?: boolean }): ReactElement {
  const plain = call.cost_state === "priced" || call.cost_state === "free";
  return (
    <span
      className={`inline-flex justify-end gap-x-1.5 font-medium ${stacked ? "flex-col items-end" : "items-baseline"}`}
    >
      {plain ? null : <StateBadge state={call.cost_state} />}
      {call.cost_pico === null ? null : (
        <Money pico={call.cost_pico} atLeast={call.cost_state === "unpriced"} />
      )}
    </span>
  );
}

const WITNESS: Record<string, [sign: string, title: string]> = {
  proxy: ["P", "Seen by the proxy"],
  sdk: ["S", "Seen by the SDK"],
  otlp: ["O", "Told by OpenTelemetry"],
  agent_log: ["L", "Read from an agent's log"],
  import: ["I", "Imported"],
  event: ["E", "Sent as an event"],
};

/** Who saw the call: one sign for each witness. */
export function WitnessCell({ call }: { call: CallBrief }): ReactElement {
  return (
    <span className="inline-flex gap-1">
      {call.seen_by.map((kind) => {
        const [sign, title] = WITNESS[kind] ?? [
          kind.slice(0, 1).toUpperCase(),
          `Seen by ${words(kind).toLowerCase()}`,
        ];
        return (
          <abbr
            key={kind}
            title={title}
            className="grid size-[18px] place-items-center rounded bg-sunken font-mono text-[11px] text-soft no-underline"
          >
            {sign}
          </abbr>
        );
      })}
    </span>
  );
}

/** Output tokens a second, from the first byte of a stream on; of the whole time where it was no stream. */
export function speedOf(call: CallBrief): number | null {
  const us = call.streamed ? call.total_us - call.first_byte_us : call.total_us;
  return us > 0 && call.output_tokens > 0 ? (call.output_tokens * 1_000_000) / us : null;
}
