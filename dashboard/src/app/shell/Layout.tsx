import { useQuery } from "@tanstack/react-query";
import { Outlet, useNavigate } from "@tanstack/react-router";
import { type ReactElement, useEffect, useMemo, useState } from "react";
import { ReceiptPanel } from "@/features/calls/ReceiptPanel";
import { FirstCall } from "@/features/capture/EmptyState";
import { FilterBar } from "@/features/filters/FilterBar";
import { HelpDialog } from "@/features/help/HelpDialog";
import { useLive } from "@/features/live/use-live";
import { CommandPalette } from "@/features/palette/CommandPalette";
import { parametersOf } from "@/features/views/queries";
import { SavedViews } from "@/features/views/SavedViews";
import { statusQuery } from "@/shared/api/queries";
import type { SavedView } from "@/shared/api/types";
import { LiveContext } from "@/shared/live-state";
import { carried, type Dimension, type Search, zoneOf } from "@/shared/search/search";
import { useSearch } from "@/shared/search/use-search";
import { OutOfDate } from "@/shared/ui/page/Loaded";
import { useKeys } from "@/shared/ui/page/use-keys";
import { SCREENS } from "../screens";
import { commandsOf } from "./commands";
import { DemoNotice } from "./DemoNotice";
import { Drawer } from "./Drawer";
import { Brand, Navigation } from "./Navigation";
import { PageNotice } from "./PageNotice";
import { TopBar } from "./TopBar";
import { useGoKeys } from "./use-go-keys";
import { useScreen } from "./use-screen";

type Overlay = "navigation" | "palette" | "help" | null;

/** What every screen stands in: the navigation, the top bar, the filters and the page's one notice. */
export function Layout(): ReactElement {
  const actions = useSearch();
  const { search, change, clear } = actions;
  const screen = useScreen();
  const navigate = useNavigate();
  const [paused, setPaused] = useState(false);
  const [overlay, setOverlay] = useState<Overlay>(null);
  const scrolled = useScrolledPast(900);
  const listened = useLive(search, paused || scrolled);
  const live = useMemo(() => ({ ...listened, paused, setPaused }), [listened, paused]);
  const status = useQuery(statusQuery);
  const tz = zoneOf(search);
  const outOfDate = live.state === "reconnecting" || live.state === "stopped";
  const close = (): void => setOverlay(null);
  const go = (path: string, more: Partial<Record<keyof Search, string>> = {}): void =>
    void navigate({ to: path, search: { ...carried(search), ...more } } as never);
  const showView = (view: SavedView): void =>
    void navigate({ to: view.screen, search: parametersOf(view.search) } as never);
  const pick = (name: Dimension, filter: string): void =>
    screen?.filters ? change({ [name]: filter }) : go("/explorer", { [name]: filter });

  useKeys({ " ": () => setPaused(!paused), "?": () => setOverlay("help") });
  usePaletteKey(() => setOverlay("palette"));
  useGoKeys((key) => {
    const found = SCREENS.find((each) => each.key === key);
    if (found) go(found.path);
    return found !== undefined;
  });
  useEffect(() => {
    document.title = screen === undefined ? "Farebox" : `${screen.title} · Farebox`;
    window.scrollTo(0, 0);
  }, [screen]);

  const isEmpty = screen?.filters && status.data?.ledger.last_seq === 0;
  return (
    <OutOfDate.Provider value={outOfDate}>
      <LiveContext.Provider value={live}>
        <a
          href="#screen"
          className="sr-only z-50 rounded-lg bg-ink px-3 py-2 text-paper focus:not-sr-only focus:fixed focus:top-2 focus:left-2"
        >
          Skip to the screen
        </a>
        <div className="lg:grid lg:grid-cols-[216px_minmax(0,1fr)]">
          <aside className="sticky top-0 hidden h-dvh flex-col gap-6 overflow-y-auto border-r border-line px-3 pt-4 pb-5 lg:flex">
            <div className="px-2.5">
              <Brand />
            </div>
            <Navigation search={search} current={screen} />
            <span className="flex-1" />
            <ProxyAddress url={status.data?.proxy_url ?? null} />
          </aside>
          <div className="min-w-0">
            {status.data?.demo ? <DemoNotice /> : null}
            <TopBar
              title={screen?.title ?? "Farebox"}
              search={search}
              covers={screen?.filters === true && !isEmpty}
              live={live}
              showUnpriced={() => go("/explorer", { cost_state: "unpriced,unknown" })}
              openNavigation={() => setOverlay("navigation")}
              openPalette={() => setOverlay("palette")}
              openHelp={() => setOverlay("help")}
            />
            <main id="screen" className="mx-auto flex max-w-[1320px] flex-col gap-6 px-4 pt-5 pb-24 sm:px-8">
              <PageNotice live={live} tz={tz} />
              {isEmpty ? (
                <>
                  <section aria-label="First call" className="card">
                    <FirstCall />
                  </section>
                  {search.call ? (
                    <ReceiptPanel id={search.call} tz={tz} close={() => change({ call: undefined })} />
                  ) : null}
                </>
              ) : (
                <>
                  {screen?.filters ? (
                    <FilterBar {...actions}>
                      <SavedViews screen={screen.path} titleOf={titleOf} show={showView} />
                    </FilterBar>
                  ) : null}
                  <Outlet />
                </>
              )}
            </main>
          </div>
        </div>
        <Drawer search={search} current={screen} open={overlay === "navigation"} close={close} />
        <CommandPalette
          search={search}
          open={overlay === "palette"}
          close={close}
          commands={commandsOf(screen, {
            go,
            change,
            clear,
            setPaused,
            paused,
            help: () => setOverlay("help"),
          })}
          pick={pick}
          destination={screen?.filters ? "Filter" : "Filter the explorer"}
        />
        <HelpDialog
          open={overlay === "help"}
          close={close}
          goTo={SCREENS.map(({ key, title }) => [key, title])}
        />
      </LiveContext.Provider>
    </OutOfDate.Provider>
  );
}

function titleOf(path: string): string {
  return SCREENS.find((each) => each.path === path)?.title ?? path;
}

function ProxyAddress({ url }: { url: string | null }): ReactElement | null {
  if (url === null) return null;
  return (
    <p className="px-2.5 text-[12px] text-faint">
      Proxy <span className="font-mono text-[11.5px] text-soft">{url.replace("http://", "")}</span>
    </p>
  );
}

/** Ctrl-K or ⌘-K, also while something is typed. */
function usePaletteKey(open: () => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey) return;
      event.preventDefault();
      if (document.querySelector("dialog[open]") === null) open();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  });
}

/** Whether the page is scrolled so far down that new rows on top would move what is being read. */
function useScrolledPast(pixels: number): boolean {
  const [past, setPast] = useState(false);
  useEffect(() => {
    const onScroll = (): void => setPast(window.scrollY > pixels);
    window.addEventListener("scroll", onScroll, { passive: true });
    return () => window.removeEventListener("scroll", onScroll);
  }, [pixels]);
  return past;
}
