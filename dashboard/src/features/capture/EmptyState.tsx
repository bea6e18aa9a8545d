import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { statusQuery } from "@/shared/api/queries";
import type { Process, Status } from "@/shared/api/types";
import { Copyable } from "@/shared/ui/page/Copyable";
import { ErrorNotice } from "@/shared/ui/page/ErrorNotice";

/** Nothing recorded yet: say what runs, what does not, and what to paste. */
export function FirstCall(): ReactElement {
  const status = useQuery(statusQuery);
  if (status.isPending) return <div className="skeleton mx-5 my-6 h-48" />;
  if (status.isError) return <ErrorNotice error={status.error} retry={() => void status.refetch()} />;
  const { data } = status;
  return (
    <div className="mx-auto max-w-2xl px-5 py-12">
      <h3 className="text-[20px] font-semibold tracking-tight">No calls yet</h3>
      <p className="mt-1.5 text-[14px] text-soft">{diagnosis(data)}</p>
      <ul className="mt-5 flex flex-wrap gap-x-6 gap-y-2 text-[13px]">
        {data.processes.map((process) => (
          <li key={process.name} className="flex items-center gap-2">
            <Dot up={process.state === "up"} />
            {sentence(process)}
          </li>
        ))}
      </ul>
      <ol className="mt-7 flex flex-col gap-5">
        {data.hints.map((hint) => (
          <li key={hint.command}>
            <p className="mb-1.5 text-[13.5px] font-medium">{hint.title}</p>
            <Copyable text={hint.command} label={hint.title} />
          </li>
        ))}
      </ol>
    </div>
  );
}

/** There are calls, but none that match. */
export function NothingMatches({ filtered, widen }: { filtered: boolean; widen: () => void }): ReactElement {
  return (
    <div className="px-5 py-14 text-center">
      <p className="text-[15px] font-medium">No calls {filtered ? "match these filters" : "in this span"}.</p>
      <button
        type="button"
        onClick={widen}
        className="mt-2 text-[13.5px] text-accent underline-offset-4 hover:underline"
      >
        {filtered ? "Clear the filters" : "Look at the last 30 days"}
      </button>
    </div>
  );
}

function diagnosis(status: Status): string {
  if (status.ledger.state === "unavailable") return `The ledger cannot be read: ${status.ledger.message}`;
  if (status.proxy_url === null) return "The proxy is not running, so nothing can be metered yet.";
  return `The proxy is listening on ${status.proxy_url} and nothing has come through it. This page shows the first call by itself.`;
}

function sentence(process: Process): string {
  if (process.state !== "up") return `${process.name} is not running`;
  return process.address ? `${process.name} on ${process.address}` : `${process.name} is running`;
}

function Dot({ up }: { up: boolean }): ReactElement {
  return <span aria-hidden="true" className={`size-2 rounded-full ${up ? "bg-accent" : "bg-bad"}`} />;
}
