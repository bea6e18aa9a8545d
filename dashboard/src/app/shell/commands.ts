/** What the command palette can do besides finding values. */

import type { Command } from "@/features/palette/CommandPalette";
import { DEFAULT_SINCE, PRESETS } from "@/shared/search/search";
import type { SearchActions } from "@/shared/search/use-search";
import { applyTheme } from "@/shared/ui/page/theme";
import { SCREENS, type Screen } from "../screens";

interface Means extends Pick<SearchActions, "change" | "clear"> {
  go: (path: string) => void;
  paused: boolean;
  setPaused: (paused: boolean) => void;
  help: () => void;
}

export function commandsOf(screen: Screen | undefined, means: Means): Command[] {
  const screens = SCREENS.map(({ path, title, key }) => ({
    group: "Screens",
    label: title,
    note: `g ${key}`,
    act: () => means.go(path),
  }));
  const spans = PRESETS.map(({ since, until, title }) => ({
    group: "Span",
    label: title,
    note: since,
    act: () => means.change({ since: since === DEFAULT_SINCE ? undefined : since, until }),
  }));
  return [
    ...screens,
    ...(screen?.filters ? spans : []),
    ...(screen?.filters ? [command("Clear the filters", "", means.clear)] : []),
    command("Days in UTC", "tz=UTC", () => means.change({ tz: "UTC" })),
    command("Days in this browser's zone", "", () => means.change({ tz: undefined })),
    command(means.paused ? "Resume live updates" : "Pause live updates", "Space", () =>
      means.setPaused(!means.paused),
    ),
    command("Light theme", "", () => applyTheme("light")),
    command("Dark theme", "", () => applyTheme("dark")),
    command("The system's theme", "", () => applyTheme("system")),
    command("Copy this page's address", "", () => void navigator.clipboard.writeText(window.location.href)),
    command("Keyboard and help", "?", means.help),
  ];
}

function command(label: string, note: string, act: () => void): Command {
  return { group: "Commands", label, note, act };
}
