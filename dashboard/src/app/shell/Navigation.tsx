import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { carried, type Search } from "@/shared/search/search";
import { SCREENS, type Screen } from "../screens";
import { ICONS } from "./icons";

interface NavigationProps {
  search: Search;
  current: Screen | undefined;
  /** Called where a screen is chosen: a drawer closes. */
  chosen?: () => void;
}

/** The screens in their groups. The span and the filters go along. */
export function Navigation({ search, current, chosen }: NavigationProps): ReactElement {
  const groups = [...new Set(SCREENS.map(({ group }) => group))];
  return (
    <nav aria-label="Screens" className="flex flex-col gap-5">
      {groups.map((group) => (
        <section key={group} aria-label={group}>
          <p className="px-2.5 pb-1 text-[11.5px] font-medium text-faint">{group}</p>
          <ul className="flex flex-col gap-px">
            {SCREENS.filter((screen) => screen.group === group).map((screen) => (
              <li key={screen.id}>
                <Link
                  to={screen.path}
                  search={carried(search) as never}
                  onClick={chosen}
                  aria-current={screen === current ? "page" : undefined}
                  aria-keyshortcuts={`g ${screen.key}`}
                  className="group flex items-center gap-2.5 rounded-lg px-2.5 py-[7px] text-[13.5px] font-medium text-soft hover:bg-sunken hover:text-ink aria-[current=page]:bg-sunken aria-[current=page]:text-ink"
                >
                  <svg
                    width="16"
                    height="16"
                    viewBox="0 0 20 20"
                    fill="none"
                    stroke="currentColor"
                    strokeWidth="1.6"
                    strokeLinecap="round"
                    strokeLinejoin="round"
                    aria-hidden="true"
                    className="shrink-0 group-aria-[current=page]:text-accent"
                  >
                    <path d={ICONS[screen.id]} />
                  </svg>
                  <span className="flex-1">{screen.title}</span>
                  <span
                    aria-hidden="true"
                    className="hidden font-mono text-[11px] text-soft opacity-0 group-hover:opacity-100 lg:inline"
                  >
                    g {screen.key}
                  </span>
                </Link>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </nav>
  );
}

export function Brand(): ReactElement {
  return (
    <span className="flex items-center gap-2.5 text-[16px] font-semibold tracking-[-0.02em]">
      <svg width="24" height="24" viewBox="0 0 32 32" aria-hidden="true">
        <rect x="2" y="2" width="28" height="28" rx="8" fill="var(--accent)" />
        <rect x="8.5" y="8.5" width="15" height="3.4" rx="1.7" fill="var(--paper)" />
        <circle cx="16" cy="20" r="4.8" fill="none" stroke="var(--paper)" strokeWidth="2.6" />
      </svg>
      Farebox
    </span>
  );
}
