import type { ReactElement, ReactNode } from "react";
import type { Page } from "@/shared/api/routes";
import { WithPanel } from "@/shared/ui/dialogs/SidePanel";
import { Problems } from "@/shared/ui/forms/Problems";
import type { Exported } from "@/shared/ui/tables/ExportMenu";
import { OnlyFirst } from "@/shared/ui/tables/OnlyFirst";
import { Card } from "./Card";
import { type Asked, Loaded } from "./Loaded";

interface ListCardProps<T> {
  title: string;
  query: Asked<T>;
  exported: Exported;
  /** The button that adds one. */
  add?: ReactNode;
  /** What is open beside it. */
  panel?: ReactElement | null;
  /** What is shown over the list and changes nothing of its place: dialogs. */
  dialogs?: ReactNode;
  children: (found: T) => ReactNode;
}

/** A list of what is set up: what is wrong with it first, what is open of it beside. */
export function ListCard<T extends Page>(props: ListCardProps<T>): ReactElement {
  const { title, query, exported, add, panel = null, dialogs, children } = props;
  return (
    <WithPanel panel={panel}>
      <Card title={title} exported={exported} aside={add}>
        <Loaded query={query} skeleton={<div className="skeleton h-48" />}>
          {(found) => (
            <>
              <Problems problems={problemsOf(found)} />
              {children(found)}
              <OnlyFirst next={found.next_cursor} exported={exported} />
            </>
          )}
        </Loaded>
      </Card>
      {dialogs}
    </WithPanel>
  );
}

function problemsOf(found: object): readonly string[] {
  return "problems" in found ? (found.problems as readonly string[]) : [];
}
