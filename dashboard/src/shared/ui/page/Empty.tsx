import type { ReactElement, ReactNode } from "react";
import { Copyable } from "./Copyable";

interface EmptyProps {
  title: string;
  /** Why there is nothing, and what would be here. */
  children?: ReactNode;
  /** What to type for the first one. */
  command?: string;
  action?: ReactNode;
}

/** Nothing there: why, and what to do next. */
export function Empty({ title, children, command, action }: EmptyProps): ReactElement {
  return (
    <div className="mx-auto flex max-w-xl flex-col gap-3 py-8 text-center">
      <p className="text-[15px] font-medium">{title}</p>
      {children ? <p className="text-[13.5px] text-soft">{children}</p> : null}
      {command ? (
        <div className="text-left">
          <Copyable text={command} label={title} />
        </div>
      ) : null}
      {action ? <div>{action}</div> : null}
    </div>
  );
}
