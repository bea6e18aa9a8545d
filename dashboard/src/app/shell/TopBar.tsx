import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { CoverageChip } from "@/features/spend/CoverageChip";
import { summaryQuery } from "@/shared/api/queries";
import { clock } from "@/shared/format";
import type { PageLive } from "@/shared/live-state";
import { type Search, zoneOf } from "@/shared/search/search";
import { ThemeSwitch } from "./ThemeSwitch";

interface TopBarProps {
  title: string;
  search: Search;
  /** Whether the screen is about the chosen calls, so that it says how many of them have a price. */
  covers: boolean;
  live: PageLive;
  showUnpriced: () => void;
  openNavigation: () => void;
  openPalette: () => void;
  openHelp: () => void;
}

/** The screen's name, whether it is current, how much of it is priced, and the ways to everything else. */
export function TopBar(props: TopBarProps): ReactElement {
  const { title, search, covers, live, showUnpriced, openNavigation, openPalette, openHelp } = props;
  return (
    <header className="sticky top-0 z-20 border-b border-line bg-paper/85 backdrop-blur-md">
      <div className="mx-auto flex h-14 max-w-[1320px] items-center gap-2 px-4 sm:gap-3 sm:px-8">
        <button
          type="button"
          onClick={openNavigation}
          aria-label="Open the navigation"
          className="-ml-2 grid size-9 place-items-center rounded-lg text-soft hover:bg-sunken hover:text-ink lg:hidden"
        >
          <svg
            width="18"
            height="18"
            viewBox="0 0 20 20"
            stroke="currentColor"
            strokeWidth="1.6"
            aria-hidden="true"
          >
            <path d="M3 5.5h14M3 10h14M3 14.5h14" strokeLinecap="round" />
          </svg>
        </button>
        <h1 className="truncate text-[16px] font-semibold tracking-[-0.02em]">{title}</h1>
        <LiveBadge live={live} tz={zoneOf(search)} />
        <span className="flex-1" />
        {covers ? <Coverage search={search} showUnpriced={showUnpriced} /> : null}
        <button
          type="button"
          onClick={openPalette}
          aria-label="Search and commands, Ctrl K"
          aria-keyshortcuts="Control+K Meta+K"
          className="flex h-8 items-center gap-2 rounded-lg px-2 text-[13px] text-soft hover:bg-sunken hover:text-ink sm:border sm:border-line sm:bg-card sm:px-2.5"
        >
          <svg
            width="15"
            height="15"
            viewBox="0 0 20 20"
            fill="none"
            stroke="currentColor"
            strokeWidth="1.7"
            aria-hidden="true"
          >
            <path d="M9 15A6 6 0 1 0 9 3a6 6 0 0 0 0 12zM13.5 13.5 17 17" strokeLinecap="round" />
          </svg>
          <span aria-hidden="true" className="hidden font-mono text-[11px] text-faint sm:inline">
            Ctrl K
          </span>
        </button>
        <span className="hidden items-center sm:flex">
          <ThemeSwitch />
          <button
            type="button"
            onClick={openHelp}
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

/** How many of the chosen calls have a price; dimmed while it is that of a choice before. */
function Coverage({
  search,
  showUnpriced,
}: Pick<TopBarProps, "search" | "showUnpriced">): ReactElement | null {
  const { data, isPlaceholderData, error } = useQuery(summaryQuery(search));
  if (data === undefined) return null;
  const dimmed = isPlaceholderData || error !== null;
  return (
    <span aria-busy={dimmed} className={`settle min-w-0 ${dimmed ? "dimmed" : ""}`}>
      <CoverageChip sums={data.sums} onClick={showUnpriced} />
    </span>
  );
}

/** Whether the figures are current. Not current is shown rather than paused. */
function LiveBadge({ live, tz }: { live: PageLive; tz: string }): ReactElement {
  const since = live.heardAt === null ? "" : ` since ${clock(new Date(live.heardAt), tz, true)}`;
  const [text, dot] = {
    live: live.paused ? ["Paused", "bg-warn"] : ["Live", "bg-accent beat"],
    connecting: ["Connecting", "bg-faint"],
    reconnecting: ["Reconnecting", "bg-warn"],
    stopped: [`Stopped${since}`, "bg-bad"],
  }[live.state];
  const calm = live.state === "live" || live.state === "connecting";
  return (
    <span
      role="status"
      className="flex items-center gap-2 rounded-full bg-card px-2 py-1 text-[12.5px] font-medium whitespace-nowrap text-soft ring-1 ring-line sm:px-2.5"
    >
      <span aria-hidden="true" className={`size-2 rounded-full ${dot}`} />
      <span className={calm && !live.paused ? "sr-only sm:not-sr-only" : ""}>{text}</span>
    </span>
  );
}
