import { type ReactElement, useEffect, useRef } from "react";
import type { Search } from "@/shared/search/search";
import type { Screen } from "../screens";
import { Brand, Navigation } from "./Navigation";
import { ThemeSwitch } from "./ThemeSwitch";

interface DrawerProps {
  search: Search;
  current: Screen | undefined;
  open: boolean;
  close: () => void;
}

/** The navigation where there is no room for it beside the screen. */
export function Drawer({ search, current, open, close }: DrawerProps): ReactElement {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open && !dialog.current?.open) dialog.current?.showModal();
    if (!open && dialog.current?.open) dialog.current.close();
  }, [open]);
  return (
    <dialog
      ref={dialog}
      onClose={close}
      aria-label="Navigation"
      className="m-0 h-dvh max-h-none w-72 max-w-[85vw] border-r border-line bg-paper p-4"
    >
      <div className="mb-5 flex items-center justify-between">
        <Brand />
        <span className="flex items-center">
          <ThemeSwitch />
          <button
            type="button"
            onClick={close}
            aria-label="Close the navigation"
            className="grid size-9 place-items-center rounded-lg text-[18px] text-soft hover:bg-sunken"
          >
            ×
          </button>
        </span>
      </div>
      <Navigation search={search} current={current} chosen={close} />
    </dialog>
  );
}
