import type { ReactElement, ReactNode } from "react";
import { useId } from "react";
import { type Exported, ExportMenu } from "@/shared/ui/tables/ExportMenu";

interface CardProps {
  title: ReactNode;
  /** What stands at the right of the title. */
  aside?: ReactNode;
  /** What of it can be had as a file. */
  exported?: Exported;
  children: ReactNode;
  className?: string;
}

/** A titled surface, and a landmark for screen readers. */
export function Card({ title, aside, exported, children, className = "" }: CardProps): ReactElement {
  const id = useId();
  return (
    <section aria-labelledby={id} className={`card flex min-w-0 flex-col p-5 ${className}`}>
      <header className="mb-4 flex min-h-6 flex-wrap items-center justify-between gap-x-3 gap-y-1.5">
        <h2 id={id} className="text-[13.5px] font-semibold tracking-tight">
          {title}
        </h2>
        {exported === undefined ? (
          aside
        ) : (
          <span className="flex flex-wrap items-center justify-end gap-x-3 gap-y-1.5">
            <ExportMenu {...exported} />
            {aside}
          </span>
        )}
      </header>
      {children}
    </section>
  );
}
