import type { ReactElement } from "react";

/** Why what is written in the home's file is not in force, a sentence each. */
export function Problems({ problems }: { problems: readonly string[] }): ReactElement | null {
  if (problems.length === 0) return null;
  return (
    <div role="status" className="mb-4 rounded-lg bg-warn-soft px-3 py-2 text-[13px] text-warn">
      <ul className="flex flex-col gap-1">
        {problems.map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
    </div>
  );
}
