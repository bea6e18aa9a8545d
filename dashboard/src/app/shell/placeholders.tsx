import type { ErrorComponentProps } from "@tanstack/react-router";
import type { ReactElement } from "react";

/** While a screen's script is on its way. */
export function ScreenSkeleton(): ReactElement {
  return (
    <div role="status" aria-label="Loading the screen" className="flex flex-col gap-6">
      <div className="skeleton h-24" />
      <div className="skeleton h-64" />
    </div>
  );
}

/** An address of no screen. */
export function NoSuchScreen(): ReactElement {
  return (
    <div className="card px-5 py-14 text-center">
      <h2 className="text-[15px] font-medium">There is no such screen.</h2>
      <p className="mt-1.5 text-[13.5px] text-soft">
        <a href="/" className="text-accent underline-offset-4 hover:underline">
          Go to the overview
        </a>
      </p>
    </div>
  );
}

/** A screen that cannot be drawn: the rest of the page stays. */
export function ScreenFailed({ error }: ErrorComponentProps<unknown>): ReactElement {
  return (
    <div role="alert" className="card px-5 py-14 text-center">
      <h2 className="text-[15px] font-medium">This screen could not be shown.</h2>
      <p className="mt-1.5 font-mono text-[12.5px] text-soft">
        {error instanceof Error ? error.message : String(error)}
      </p>
      <button
        type="button"
        onClick={() => window.location.reload()}
        className="mt-3 text-[13.5px] font-medium text-accent underline-offset-4 hover:underline"
      >
        Load the page again
      </button>
    </div>
  );
}
