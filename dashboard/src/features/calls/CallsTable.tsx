import { useInfiniteQuery } from "@tanstack/react-query";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import {
  type ReactElement,
  type RefObject,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import type { callsQuery } from "@/shared/api/queries";
import type { CallBrief } from "@/shared/api/types";
import { type Search, zoneOf } from "@/shared/search/search";
import { useWidth } from "@/shared/ui/charts/use-width";
import { Loaded } from "@/shared/ui/page/Loaded";
import { useKeys } from "@/shared/ui/page/use-keys";
import { type Column, columnsFor, isCompact, leastWidth } from "./columns";
import { type CallOrder, nextOrder, sortedAs } from "./order";
import { listQuery } from "./queries";

interface CallsTableProps {
  search: Search;
  /** The call whose receipt is open, by event id. */
  opened: string | undefined;
  open: (id: string | undefined) => void;
  /** What to show where no call matches. */
  empty: ReactElement;
  order?: CallOrder | undefined;
  sort?: ((order: CallOrder | undefined) => void) | undefined;
  /** The columns that were chosen; undefined for those there is room for. */
  chosen?: readonly string[] | undefined;
}

const ROW = 38;
const COMPACT_ROW = 54;

/** The calls, newest first. j and k move through them; Enter opens the receipt beside. */
export function CallsTable(props: CallsTableProps): ReactElement {
  const { search, opened, open, empty, order, sort, chosen } = props;
  // One of two queries that differ in their cursors alone.
  const query = useInfiniteQuery(listQuery(search, order) as ReturnType<typeof callsQuery>);
  const calls = useMemo(() => query.data?.pages.flatMap((page) => page.calls) ?? [], [query.data]);
  const [measure, width] = useWidth<HTMLDivElement>(1100);
  const body = useRef<HTMLDivElement>(null);
  const [margin, setMargin] = useState(0);
  const [cursor, setCursor] = useState<number | null>(null);
  const firstSeen = useRef<number | null>(null);
  const tz = zoneOf(search);
  const columns = columnsFor(width, chosen);
  const least = isCompact(width) ? 0 : leastWidth(columns);
  const minWidth = least > width ? least : undefined;
  const tracks = columns.map((column) => column.track).join(" ");
  const rowHeight = isCompact(width) ? COMPACT_ROW : ROW;

  useLayoutEffect(() => {
    const top = body.current?.getBoundingClientRect().top ?? 0;
    setMargin(Math.round(top + window.scrollY));
  });
  const rows = useWindowVirtualizer({
    count: calls.length,
    estimateSize: () => rowHeight,
    overscan: 12,
    scrollMargin: margin,
    getItemKey: (index) => calls[index]?.seq ?? index,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows of another height need a new layout
  useEffect(() => rows.measure(), [rowHeight]);
  const shown = rows.getVirtualItems();
  const lastShown = shown.at(-1)?.index ?? 0;
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  useEffect(() => {
    if (lastShown >= calls.length - 20 && hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [lastShown, calls.length, hasNextPage, isFetchingNextPage, fetchNextPage]);
  if (firstSeen.current === null && calls[0]) firstSeen.current = calls[0].seq;

  const at = calls.findIndex((call) => call.seq === cursor);
  const focusRow = useFocusOn(body);
  const wasOpened = useRef(opened);
  useEffect(() => {
    const closed = opened === undefined ? wasOpened.current : undefined;
    wasOpened.current = opened;
    if (closed === undefined) return;
    const call = calls.find((each) => each.event_id === closed);
    if (call) setCursor(call.seq);
    // The focus was in the receipt, which is gone: return it to the row.
    if (document.activeElement === document.body) focusRow(closed);
  }, [opened, calls, focusRow]);
  const move = (step: number): void => {
    const next = calls[Math.max(0, Math.min(calls.length - 1, at + step))];
    if (next === undefined) return;
    setCursor(next.seq);
    if (document.activeElement?.closest("aside") == null) focusRow(next.event_id);
    if (opened !== undefined) open(next.event_id);
    rows.scrollToIndex(calls.indexOf(next), { align: "auto" });
  };
  const openAtCursor = (): void => {
    const call = calls[at];
    if (call) open(call.event_id);
  };
  const close = (): void => open(undefined);
  useKeys({ j: () => move(1), k: () => move(-1), Enter: openAtCursor, e: openAtCursor, Escape: close });

  return (
    <Loaded query={query} skeleton={<TableSkeleton />} className="min-w-0">
      {() => (
        <div ref={measure} className="min-w-0 overflow-x-auto overflow-y-hidden">
          <div role="table" aria-label="Calls" aria-rowcount={calls.length + 1} style={{ minWidth }}>
            <div
              role="row"
              tabIndex={-1}
              className="grid items-center gap-x-4 border-b border-line bg-card px-5 pb-2 text-[12px] font-medium text-soft"
              style={{ gridTemplateColumns: tracks }}
            >
              {columns.map((column) => (
                <span
                  key={column.id}
                  role="columnheader"
                  tabIndex={-1}
                  title={column.hint}
                  aria-sort={column.order && sort ? sortedAs(order, column.order) : undefined}
                  className={`${column.right ? "text-right" : ""} ${minWidth && column.id === "cost" ? KEPT : ""}`}
                >
                  <Title column={column} order={order} sort={sort} />
                </span>
              ))}
            </div>
            <div ref={body} className="relative" style={{ height: rows.getTotalSize() }}>
              {shown.map((item) => {
                const call = calls[item.index];
                if (call === undefined) return null;
                return (
                  <Row
                    key={call.seq}
                    call={call}
                    columns={columns}
                    isWide={minWidth !== undefined}
                    tracks={tracks}
                    tz={tz}
                    top={item.start - margin}
                    index={item.index}
                    isNew={firstSeen.current !== null && call.seq > firstSeen.current}
                    height={rowHeight}
                    isAt={call.seq === cursor}
                    isNext={at === -1 ? item.index === 0 : call.seq === cursor}
                    focused={() => setCursor(call.seq)}
                    isOpen={call.event_id === opened}
                    open={() => {
                      setCursor(call.seq);
                      open(call.event_id === opened ? undefined : call.event_id);
                    }}
                  />
                );
              })}
            </div>
          </div>
          {calls.length === 0 ? empty : null}
          {isFetchingNextPage ? (
            <p className="py-3 text-center text-[13px] text-soft">Loading older calls…</p>
          ) : null}
        </div>
      )}
    </Loaded>
  );
}

interface RowProps {
  call: CallBrief;
  columns: readonly Column[];
  /** Whether they are wider than the card. */
  isWide: boolean;
  tracks: string;
  tz: string;
  top: number;
  index: number;
  isNew: boolean;
  height: number;
  isAt: boolean;
  /** The one row of the table that Tab comes to. */
  isNext: boolean;
  focused: () => void;
  isOpen: boolean;
  open: () => void;
}

function Row(props: RowProps): ReactElement {
  const {
    call,
    columns,
    isWide,
    tracks,
    tz,
    top,
    index,
    height,
    isNew,
    isAt,
    isNext,
    focused,
    isOpen,
    open,
  } = props;
  const ground = isOpen ? "bg-accent-soft" : isAt ? "bg-sunken" : "bg-card hover:bg-sunken";
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: j, k and Enter do this for the whole table
    <div
      role="row"
      tabIndex={isNext ? 0 : -1}
      onFocus={focused}
      aria-rowindex={index + 2}
      aria-selected={isOpen}
      data-call={call.event_id}
      onClick={open}
      className={`absolute inset-x-0 grid cursor-pointer items-center gap-x-4 border-b border-line/70 px-5 text-[13px] ${ground} ${isNew ? "row-new" : ""}`}
      style={{ gridTemplateColumns: tracks, height, transform: `translateY(${top}px)` }}
    >
      {columns.map((column) => (
        <span
          key={column.id}
          role="cell"
          className={`min-w-0 whitespace-nowrap ${column.right ? "text-right" : "truncate"} ${isWide && column.id === "cost" ? `${KEPT} flex h-full items-center justify-end` : ""}`}
        >
          {column.cell(call, tz)}
        </span>
      ))}
    </div>
  );
}

/** Where a table is wider than its card, money stays in sight. */
const KEPT = "sticky right-0 bg-inherit";

/** A column's title; of one that rows can be sorted by, a button. */
function Title(props: { column: Column } & Pick<CallsTableProps, "order" | "sort">): ReactElement {
  const { column, order, sort } = props;
  const name = column.order;
  if (name === undefined || sort === undefined) return <>{column.title}</>;
  const sorted = sortedAs(order, name);
  return (
    <button
      type="button"
      onClick={() => sort(nextOrder(order, name))}
      className="whitespace-nowrap underline-offset-4 hover:text-ink hover:underline"
    >
      {column.title}
      <span aria-hidden="true" className={sorted === "none" ? "text-faint" : "text-ink"}>
        {{ ascending: " ↑", descending: " ↓", none: "" }[sorted]}
      </span>
    </button>
  );
}

/** Return what moves the focus to a call's row as soon as it is drawn. */
function useFocusOn(table: RefObject<HTMLElement | null>): (id: string) => void {
  const wanted = useRef<string | null>(null);
  const look = useCallback(() => {
    const rows = table.current?.querySelectorAll<HTMLElement>("[data-call]") ?? [];
    const row = [...rows].find((each) => each.dataset.call === wanted.current);
    if (row === undefined) return;
    wanted.current = null;
    row.focus({ preventScroll: true });
  }, [table]);
  useEffect(look);
  return useCallback(
    (id) => {
      wanted.current = id;
      look();
    },
    [look],
  );
}

function TableSkeleton(): ReactElement {
  return (
    <div aria-hidden="true" className="flex flex-col gap-3 px-5 py-2">
      {["a", "b", "c", "d", "e", "f"].map((key) => (
        <div key={key} className="skeleton h-5" />
      ))}
    </div>
  );
}
