import { type ReactElement, useState } from "react";
import type { SessionNode } from "@/shared/api/types";
import { formatCalls, formatCompact, formatCount } from "@/shared/format";
import { largest, permille } from "@/shared/money";
import { CallsLink } from "@/shared/search/CallsLink";
import { Money } from "@/shared/ui/figures/Money";
import { Share } from "@/shared/ui/figures/Share";

interface SessionTreeProps {
  session: string;
  nodes: readonly SessionNode[];
}

/** Agents beneath the agents that started them, and their steps: the cost of each with all beneath it. */
export function SessionTree({ session, nodes }: SessionTreeProps): ReactElement {
  const [closed, setClosed] = useState<ReadonlySet<number>>(new Set());
  const top = largest(nodes.map(({ sums }) => sums.cost_pico));
  const shown = nodes.filter((node) => !isHidden(node, nodes, closed));
  const toggle = (id: number): void =>
    setClosed((known) => {
      const next = new Set(known);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  return (
    <div className="-mx-5 overflow-x-auto px-5">
      <table className="w-full text-[13px]">
        <caption className="sr-only">Agents and steps of the session</caption>
        <thead className="text-left text-[12.5px] text-soft">
          <tr>
            <th scope="col" className="pb-2 font-medium">
              Agent or step
            </th>
            <th scope="col" className="pb-2 pl-4 text-right font-medium">
              Calls
            </th>
            <th scope="col" className="hidden pb-2 pl-4 text-right font-medium sm:table-cell">
              Tokens in
            </th>
            <th scope="col" className="hidden pb-2 pl-4 text-right font-medium sm:table-cell">
              Tokens out
            </th>
            <th scope="col" className="pb-2 pl-4 text-right font-medium">
              Cost
            </th>
            <th scope="col" className="w-28 pb-2 pl-4" aria-label="Share" />
          </tr>
        </thead>
        <tbody>
          {shown.map((node) => {
            const hasChildren = nodes.some(({ parent }) => parent === node.id);
            return (
              <tr key={node.id} className="border-t border-line align-middle">
                <th scope="row" className="max-w-64 py-1.5 text-left font-normal">
                  <span
                    className="flex items-center gap-1.5"
                    style={{ paddingLeft: `${depthOf(node, nodes) * 18}px` }}
                  >
                    {hasChildren ? (
                      <button
                        type="button"
                        aria-expanded={!closed.has(node.id)}
                        aria-label={`${closed.has(node.id) ? "Show" : "Hide"} what is beneath ${nameOf(node)}`}
                        onClick={() => toggle(node.id)}
                        className="grid size-5 place-items-center rounded text-soft hover:bg-sunken hover:text-ink"
                      >
                        {closed.has(node.id) ? "▸" : "▾"}
                      </button>
                    ) : (
                      <span className="w-5" />
                    )}
                    <span
                      className={`truncate ${node.kind === "agent" ? "font-medium" : ""}`}
                      title={nameOf(node)}
                    >
                      {nameOf(node)}
                    </span>
                    {node.kind === "step" ? <span className="text-[12px] text-faint">step</span> : null}
                  </span>
                </th>
                <td className="pl-4 text-right whitespace-nowrap">
                  <CallsLink
                    where={{ session, [node.kind]: node.name }}
                    title={`${formatCalls(node.own_calls)} of its own`}
                  >
                    {formatCount(node.sums.calls)}
                  </CallsLink>
                  {node.sums.errors > 0 ? (
                    <span className="text-bad"> · {node.sums.errors} failed</span>
                  ) : null}
                </td>
                <td className="hidden pl-4 text-right sm:table-cell">
                  {formatCompact(node.sums.input_tokens)}
                </td>
                <td className="hidden pl-4 text-right sm:table-cell">
                  {formatCompact(node.sums.output_tokens)}
                </td>
                <td className="pl-4 text-right font-medium whitespace-nowrap">
                  <Money pico={node.sums.cost_pico} atLeast={!node.sums.complete} />
                </td>
                <td className="w-28 pl-4">
                  <Share permille={permille(node.sums.cost_pico, top)} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

export function nameOf(node: SessionNode): string {
  return node.name ?? "No agent named";
}

function parentOf(node: SessionNode, nodes: readonly SessionNode[]): SessionNode | undefined {
  return node.parent === null ? undefined : nodes[node.parent];
}

/** How deep a node is: its id is its place in the list. */
export function depthOf(node: SessionNode, nodes: readonly SessionNode[]): number {
  const parent = parentOf(node, nodes);
  return parent === undefined ? 0 : depthOf(parent, nodes) + 1;
}

function isHidden(node: SessionNode, nodes: readonly SessionNode[], closed: ReadonlySet<number>): boolean {
  const parent = parentOf(node, nodes);
  return parent !== undefined && (closed.has(parent.id) || isHidden(parent, nodes, closed));
}
