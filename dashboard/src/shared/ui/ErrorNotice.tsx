import type { ReactElement } from "react";
import { ApiError } from "@/shared/api/client";

interface ErrorNoticeProps {
  error: Error;
  retry?: () => void;
}

/** What went wrong, in the server's words, and the way on. */
export function ErrorNotice({ error, retry }: ErrorNoticeProps): ReactElement {
  const signedOut = error instanceof ApiError && error.status === 401;
  return (
    <div role="alert" className="rounded-lg bg-bad-soft px-4 py-3 text-[13px] text-bad">
      <p className="font-medium">{signedOut ? "Your session has ended." : error.message}</p>
      {signedOut ? (
        <p className="mt-1">
          Type <code className="font-mono">farebox open</code> in a terminal for a new link.
        </p>
      ) : null}
      {retry && !signedOut ? (
        <button type="button" onClick={retry} className="mt-2 font-medium underline underline-offset-4">
          Try again
        </button>
      ) : null}
    </div>
  );
}
