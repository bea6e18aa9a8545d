import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Live } from "@/features/live/use-live";
import { statusQuery } from "@/shared/api/queries";
import { clock } from "@/shared/format";
import { ThemeSwitch } from "./ThemeSwitch";

interface TopBarProps {
  live: Live;
  tz: string;
  paused: boolean;
  help: () => void;
}

/** The name, whether the page is current, and the proxy's address. */
export function TopBar({ live, tz, paused, help }: TopBarProps): ReactElement {
  const status = useQuery(statusQuery);
  const proxy = status.data?.proxy_url?.replace("http://", "");
  return (
    <header className="sticky top-0 z-20 border-b border-line bg-paper/85 backdrop-blur-md">
      <div className="mx-auto flex h-14 max-w-[1440px] items-center gap-4 px-4 sm:px-8">
        <span className="flex items-center gap-2.5 text-[16px] font-semibold tracking-[-0.02em]">
          <svg width="24" height="24" viewBox="0 0 32 32" aria-hidden="true">
            <rect x="2" y="2" width="28" height="28" rx="8" fill="var(--accent)" />
            <rect x="8.5" y="8.5" width="15" height="3.4" rx="1.7" fill="var(--paper)" />
            <circle cx="16" cy="20" r="4.8" fill="none" stroke="var(--paper)" strokeWidth="2.6" />
          </svg>
          Farebox
        </span>
        <LiveBadge live={live} tz={tz} paused={paused} />
        <span className="flex-1" />
        {proxy ? (
          <span className="hidden text-[13px] text-soft sm:inline">
            Proxy <span className="font-mono text-[12.5px] text-ink">{proxy}</span>
          </span>
        ) : null}
        <span className="flex items-center">
          <ThemeSwitch />
          <button
            type="button"
            onClick={help}
            aria-label="Keyboard and help"
            className="grid size-8 place-items-center rounded-lg text-[15px] text-soft hover:bg-sunken hover:text-ink"
          >
            ?
          </button>
        </span>
      </div>
    </header>
  );
}

/** Whether the figures are current. Not current is shown rather than paused. */
function LiveBadge({ live, tz, paused }: Pick<TopBarProps, "live" | "tz" | "paused">): ReactElement {
  const since = live.heardAt === null ? "" : ` since ${clock(new Date(live.heardAt), tz, true)}`;
  const [text, dot] = {
    live: paused ? ["Paused", "bg-warn"] : ["Live", "bg-accent beat"],
    connecting: ["Connecting", "bg-faint"],
    reconnecting: ["Reconnecting", "bg-warn"],
    stopped: [`Stopped${since}`, "bg-bad"],
  }[live.state];
  return (
    <span
      role="status"
      className="flex items-center gap-2 rounded-full bg-card px-2.5 py-1 text-[12.5px] font-medium whitespace-nowrap text-soft ring-1 ring-line"
    >
      <span aria-hidden="true" className={`size-2 rounded-full ${dot}`} />
      {text}
    </span>
  );
}
