import { useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactElement, useState } from "react";
import { useMayChange } from "@/shared/api/role";
import type { SavedView } from "@/shared/api/types";
import { useChange } from "@/shared/api/use-change";
import { Modal, Refusal } from "@/shared/ui/dialogs/Modal";
import { MainButton, SideButton } from "@/shared/ui/forms/buttons";
import { TextField } from "@/shared/ui/forms/fields";
import { Loaded } from "@/shared/ui/page/Loaded";
import { removeView, saveView, VIEWS, viewOf, viewsQuery } from "./queries";

interface SavedViewsProps {
  /** The path of the screen that is shown. */
  screen: string;
  /** What a screen's path is called. */
  titleOf: (path: string) => string;
  show: (view: SavedView) => void;
}

/** Open a view that was kept, or keep what is shown: kept in the home, so every browser has the same ones. */
export function SavedViews(props: SavedViewsProps): ReactElement {
  const [open, setOpen] = useState(false);
  const count = useQuery(viewsQuery).data?.views.length ?? 0;
  return (
    <>
      <button
        type="button"
        onClick={() => setOpen(true)}
        className="rounded-md px-2 py-0.5 text-[13px] text-soft hover:bg-sunken hover:text-ink"
      >
        Views{count > 0 ? ` (${count})` : ""}
      </button>
      {open ? <ViewsDialog {...props} close={() => setOpen(false)} /> : null}
    </>
  );
}

function ViewsDialog({
  screen,
  titleOf,
  show,
  close,
}: SavedViewsProps & { close: () => void }): ReactElement {
  const views = useQuery({ ...viewsQuery, refetchOnMount: "always" });
  const mayChange = useMayChange();
  const [name, setName] = useState("");
  const save = useChange(saveView, [VIEWS], close);
  const remove = useChange(removeView, [VIEWS]);
  const keep = (event: FormEvent): void => {
    event.preventDefault();
    if (!save.isPending) save.mutate({ name: name.trim(), screen, search: viewOf(window.location.search) });
  };
  return (
    <Modal title="Saved views" close={close}>
      <p className="mt-0.5 text-[13px] text-soft">
        A screen's span, filters, order and columns under a name, for everybody who opens this dashboard.
      </p>
      <Loaded query={views} skeleton={<div className="skeleton mt-3 h-16" />} className="mt-3">
        {(found) => (
          <ul className="flex flex-col gap-1">
            {found.views.map((view) => (
              <li key={view.name} className="flex items-center gap-2">
                <button
                  type="button"
                  title={`${view.screen}?${view.search}`}
                  onClick={() => {
                    close();
                    show(view);
                  }}
                  className="flex min-w-0 flex-1 items-baseline gap-2 rounded-lg px-2.5 py-1.5 text-left text-[13.5px] hover:bg-sunken"
                >
                  <span className="min-w-0 truncate">{view.name}</span>
                  <span className="ml-auto text-[12px] whitespace-nowrap text-faint">
                    {titleOf(view.screen)}
                  </span>
                </button>
                {mayChange ? (
                  <button
                    type="button"
                    aria-label={`Remove the view ${view.name}`}
                    disabled={remove.isPending}
                    onClick={() => remove.mutate(view.name)}
                    className="grid size-7 place-items-center rounded-full text-soft hover:bg-sunken hover:text-ink"
                  >
                    ×
                  </button>
                ) : null}
              </li>
            ))}
            {found.views.length === 0 ? (
              <li className="py-1 text-[13px] text-soft">
                None yet.{mayChange ? "" : " Whoever may change things can keep one."}
              </li>
            ) : null}
          </ul>
        )}
      </Loaded>
      <form onSubmit={keep} className="mt-3">
        {mayChange ? (
          <TextField
            label="Keep this one as"
            required
            value={name}
            change={setName}
            hint={
              views.data?.views.some((each) => each.name === name.trim())
                ? "Takes the place of the view of this name."
                : undefined
            }
          />
        ) : null}
        <Refusal error={save.error ?? remove.error ?? views.error} />
        <div className="mt-4 flex justify-end gap-2">
          <SideButton onClick={close}>Close</SideButton>
          {mayChange ? (
            <MainButton type="submit" disabled={save.isPending || name.trim() === ""}>
              Keep
            </MainButton>
          ) : null}
        </div>
      </form>
    </Modal>
  );
}
