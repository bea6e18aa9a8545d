import type { ReactElement } from "react";
import type { PortalLook } from "./types";

interface PortalHeaderProps {
  look: PortalLook | undefined;
  name: string;
  customer: string | undefined;
}

/** Whose page it is. The colour is a line and nothing that is read: whatever it is, texts keep their contrast. */
export function PortalHeader({ look, name, customer }: PortalHeaderProps): ReactElement {
  return (
    <header className="border-b border-line bg-card">
      <div aria-hidden="true" className="h-1" style={{ background: look?.colour ?? "var(--accent)" }} />
      <div className="mx-auto flex max-w-5xl items-center gap-3 px-4 py-3.5 sm:px-6">
        {look?.has_logo ? (
          <img src="/api/v1/portal/logo" alt="" className="h-8 w-auto max-w-40 object-contain" />
        ) : null}
        <p className="min-w-0 truncate text-[15px] font-semibold tracking-tight">{name}</p>
        {customer ? (
          <p className="ml-auto min-w-0 truncate text-[13.5px] text-soft" title={customer}>
            {customer}
          </p>
        ) : null}
      </div>
    </header>
  );
}
