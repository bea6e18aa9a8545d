import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { PriceNews } from "@/shared/api/types";
import { formatCount, formatMoment } from "@/shared/format";
import { Facts } from "@/shared/ui/dialogs/SidePanel";
import { Card } from "@/shared/ui/page/Card";
import { Copyable } from "@/shared/ui/page/Copyable";
import { Loaded } from "@/shared/ui/page/Loaded";
import { newsQuery } from "./queries";

const POLICY: Readonly<Record<string, string>> = {
  auto: "newer lists are taken over by themselves; what is doubtful waits for review",
  review: "newer lists wait until you accept them",
  off: "nobody looks for newer lists",
};

/** How the price lists are kept up to date, and when they were looked for last. */
export function UpdatesCard({ tz }: { tz: string }): ReactElement {
  const news = useQuery(newsQuery);
  return (
    <Card title="Price lists">
      <Loaded query={news} skeleton={<div className="skeleton h-24" />}>
        {(found) => <Shown found={found} tz={tz} />}
      </Loaded>
    </Card>
  );
}

function Shown({ found, tz }: { found: PriceNews; tz: string }): ReactElement {
  const when = (moment: string | null): string | null => (moment === null ? null : formatMoment(moment, tz));
  return (
    <div className="flex flex-col gap-3">
      <Facts
        rows={[
          ["Updates", `${found.update}: ${POLICY[found.update] ?? ""}`],
          ["List in force", when(found.list_from) ?? "that of this release"],
          ["Last look", found.last_look === null ? null : `${when(found.last_look_at)}: ${found.last_look}`],
          ["Next look", when(found.next_look_at)],
          ["From", found.update === "off" ? null : found.source],
        ]}
      />
      {found.told.length > 0 ? (
        <ul className="rounded-lg bg-warn-soft px-3 py-2 text-[13px] text-warn">
          {found.told.map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ul>
      ) : null}
      {found.waiting_changes > 0 ? (
        <Copyable label="review the list" text="farebox prices review" />
      ) : found.update === "off" ? (
        <Copyable label="look for newer prices" text="farebox prices update" />
      ) : null}
      {found.waiting_changes > 0 ? (
        <p className="text-[12.5px] text-soft">
          A list with {formatCount(found.waiting_changes)} changes waits
          {found.waiting_because.length > 0 ? `: ${found.waiting_because.join("; ")}` : ""}.
        </p>
      ) : null}
    </div>
  );
}
