import type { ReactElement } from "react";
import type { ChangeState, Changes } from "@/shared/api/types";

const MARK: Record<string, readonly [string, string]> = {
  add: ["New", "text-accent"],
  change: ["Changes", "text-warn"],
  remove: ["Goes", "text-bad"],
  same: ["Stays", "text-faint"],
};

/** What a text changes, thing by thing: each value that differs. */
export function ChangeList({ found }: { found: Changes }): ReactElement {
  const changed = found.changes.filter(({ action }) => action !== "same");
  const same = found.changes.length - changed.length;
  return (
    <div className="mt-4 flex flex-col gap-3 text-[13px]">
      {changed.length === 0 ? (
        <p className="text-soft">It changes nothing: everything is so already.</p>
      ) : null}
      {changed.map((each) => (
        <Change key={`${each.kind} ${each.name}`} change={each} />
      ))}
      {changed.length > 0 && same > 0 ? <p className="text-faint">{same} stay as they are.</p> : null}
    </div>
  );
}

function Change({ change }: { change: ChangeState }): ReactElement {
  const [word, color] = MARK[change.action] ?? [change.action, "text-soft"];
  return (
    <section className="rounded-lg border border-line px-3 py-2">
      <h3>
        <span className={`font-medium ${color}`}>{word}</span> {change.kind}{" "}
        <span className="font-medium">{change.name}</span>
        {change.version === null ? "" : `, version ${change.version}`}
      </h3>
      {change.lines.length > 0 ? (
        <ul className="mt-1 font-mono text-[12px] leading-relaxed break-words">
          {change.lines.map((line) => (
            <li key={line} className={toneOf(line)}>
              {line}
            </li>
          ))}
        </ul>
      ) : null}
      {change.stay.length > 0 ? (
        <p className="mt-1 text-soft">
          These stay on the version they have until they are moved: {change.stay.join(", ")}
        </p>
      ) : null}
    </section>
  );
}

/** `path: + new`, `path: - gone`, `path: old → new`. */
function toneOf(line: string): string {
  const value = line.slice(line.indexOf(": ") + 2);
  if (value.startsWith("+ ")) return "text-accent";
  if (value.startsWith("- ")) return "text-bad";
  return "text-warn";
}
