import type { ReactElement } from "react";
import { ApiError } from "@/shared/api/client";

interface ErrorNoticeProps {
  error: Error;
  retry?: () => void;
  /** On one line, above figures that are still there. */
  brief?: boolean;
}

/** What went wrong, in the server's words, and what to do. */
export function ErrorNotice({ error, retry, brief = false }: ErrorNoticeProps): ReactElement {
  const signedOut = error instanceof ApiError && error.status === 401;
  const room = brief ? "mb-3 flex flex-wrap items-baseline gap-x-3 px-3 py-1.5" : "px-4 py-3";
  return (
    <div role="alert" className={`rounded-lg bg-bad-soft text-[13px] text-bad ${room}`}>
      <p className="font-medium">
        {error.message}
        {brief ? " These are earlier figures." : ""}
      </p>
      {retry && !signedOut ? (
        <button
          type="button"
          onClick={retry}
          className={`font-medium underline underline-offset-4 ${brief ? "" : "mt-2"}`}
        >
          Try again
        </button>
      ) : null}
    </div>
  );
}
