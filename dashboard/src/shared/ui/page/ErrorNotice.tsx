import type { ReactElement } from "react";
import { ApiError } from "@/shared/api/client";

interface ErrorNoticeProps {
  error: Error;
  retry?: () => void;
}

/** What went wrong, in the server's words, and what to do. */
export function ErrorNotice({ error, retry }: ErrorNoticeProps): ReactElement {
  const signedOut = error instanceof ApiError && error.status === 401;
  return (
    <div role="alert" className="rounded-xl bg-bad-soft px-4 py-2.5 text-[13.5px] text-bad">
      <p className="flex flex-wrap items-baseline gap-x-3 font-medium">
        {error.message}
        {retry && !signedOut ? (
          <button type="button" onClick={retry} className="font-medium underline underline-offset-4">
            Try again
          </button>
        ) : null}
      </p>
    </div>
  );
}
