import type { ReactElement } from "react";
import type { ReceiptLine, ReceiptPart } from "@/shared/api/types";
import { words } from "@/shared/format";
import { Money } from "@/shared/ui/figures/Money";
import { StateBadge } from "./badges";

const SOURCE_LABEL: Record<string, string> = {
  user: "your farebox.yaml",
  contract: "your contract",
  provider: "the provider",
};

const TOKEN_UNIT =
  /^(input_|output_text|output_reasoning|output_audio$|output_image$|output_video$|cache_|tool_use_)/;

/** One priced piece: quantity × unit price = amount, line by line, down to the total. */
export function ReceiptLines({ part, only }: { part: ReceiptPart; only: boolean }): ReactElement {
  return (
    <section aria-label={`Priced part ${part.kind}`}>
      {only ? null : (
        <h3 className="mb-1 flex items-center gap-2 font-medium">
          {words(part.kind)} <StateBadge state={part.cost_state} />
        </h3>
      )}
      <ul className="border-t border-line">
        {part.lines.map((line) => (
          <li key={`${line.unit}${line.price_id}`} className="border-b border-line py-2">
            <p className="flex items-baseline justify-between gap-3">
              <span className="font-medium">{words(line.unit)}</span>
              <span className="font-medium">
                <Money pico={line.amount_pico} />
              </span>
            </p>
            <p className="text-soft">{formula(line)}</p>
            {line.price_id ? (
              <p className="mt-0.5 text-[12px] text-soft">
                <span className="block truncate font-mono text-[11.5px]" title={line.price_id}>
                  {line.price_id}
                </span>
                {line.effective_from ? `valid from ${line.effective_from}` : "valid from the beginning"}
                {line.price_source ? ` · ${SOURCE_LABEL[line.price_source] ?? line.price_source}` : ""}
              </p>
            ) : (
              <p className="mt-0.5 text-[12px] text-warn">No price row is known for this.</p>
            )}
          </li>
        ))}
      </ul>
      <dl className="mt-2 grid grid-cols-[1fr_auto] gap-y-1">
        <Total label="By list price" usd={part.list_cost_usd} strong={part.provider_cost_usd === null} />
        <Total label="Stated by the provider" usd={part.provider_cost_usd} strong />
        {part.markup !== null ? (
          <Total label={`Customer's price, × ${part.markup}`} usd={part.charge_usd} />
        ) : null}
      </dl>
      {part.cost_reason ? <p className="mt-1 text-[12px] text-warn">{words(part.cost_reason)}</p> : null}
      {Object.keys(part.facts).length > 0 ? (
        <p className="mt-1 text-[12px] text-soft">
          {Object.entries(part.facts)
            .map(([name, value]) => `${words(name).toLowerCase()}: ${value}`)
            .join(" · ")}
        </p>
      ) : null}
    </section>
  );
}

interface TotalProps {
  label: string;
  usd: string | null;
  strong?: boolean;
}

/** An amount as exact decimal text: a receipt rounds nothing. */
function Total({ label, usd, strong = false }: TotalProps): ReactElement | null {
  if (usd === null) return null;
  return (
    <>
      <dt className={strong ? "font-semibold" : "text-soft"}>{label}</dt>
      <dd className={`text-right ${strong ? "font-semibold" : "text-soft"}`}>${usd}</dd>
    </>
  );
}

function formula(line: ReceiptLine): string {
  const quantity = line.quantity.replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, ",");
  if (line.unit_price_usd === null) return `${quantity} × no price`;
  if (TOKEN_UNIT.test(line.unit)) return `${quantity} × $${line.price_per_million_usd} per million`;
  return `${quantity} × $${line.unit_price_usd}`;
}
