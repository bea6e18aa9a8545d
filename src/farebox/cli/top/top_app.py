"""The screen of `farebox top`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import DescendantFocus, Key, Resize
from textual.screen import ModalScreen
from textual.widgets import DataTable, Static

from farebox.cli.charts import columns as chart_columns
from farebox.cli.screen import clean
from farebox.cli.stops import stop_now
from farebox.cli.top.rows import ORDERS, VIEWS, Look, TopLine, group_money, lines
from farebox.cli.top.snapshot import TopAnswer, TopSource
from farebox.cli.top.top_command import head, running_s, so_far, whose
from farebox.errors import FareboxError
from farebox.money import display_usd
from farebox.time_expressions import zone_named

_CHART_HEIGHT = 4
_NARROW, _MEDIUM = 72, 96
"""Below so many columns a table leaves out what is needed least."""
_REASON = "stopped in farebox top"
_KEYS = (
    "c cost  n calls  o tokens  l latest  m name  t tree  Tab view  i in flight  / filter  space pause  "
    "k stop  q quit"
)
_KEYS_NARROW = "cnolm sort  t tree  Tab i /  k stop  q"


class Question(ModalScreen[bool]):
    """Asks before something is stopped."""

    CSS = """
    Question { align: center middle; }
    Question Vertical {
        width: 56; max-width: 95%; height: auto; border: round $error; padding: 1 2; background: $surface;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "say(True)", "yes"),
        Binding("n,escape,q", "say(False)", "no"),
    ]

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what

    def compose(self) -> ComposeResult:
        text = Text(f"Stop {self._what}?\n\n")
        text.append("Its further calls are refused until it is lifted; calls in flight end.\n\n")
        text.append("y", style="bold")
        text.append(" stop it   ")
        text.append("n", style="bold")
        text.append(" leave it")
        yield Vertical(Static(text))

    def action_say(self, answer: bool) -> None:
        """Answer, and go back."""
        self.dismiss(answer)


class Rows(DataTable[Text], inherit_bindings=False):
    """A table that leaves every key but those that move to the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor_up", show=False),
        Binding("down", "cursor_down", show=False),
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
        Binding("home", "scroll_top", show=False),
        Binding("end", "scroll_bottom", show=False),
    ]


class TopApp(App[None]):
    """Looks again and again, until it is told to pause."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #head { height: auto; text-style: bold; }
    #chart { height: 5; color: $accent; }
    #groups { height: 2fr; }
    #running { height: 1fr; min-height: 4; border-top: solid $panel; }
    #keys { height: 1; color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, f"order('{order}')", order, show=False) for key, order in ORDERS.items()),
        Binding("t", "tree", "tree", show=False),
        Binding("tab", "view", "view", show=False, priority=True),
        Binding("i", "in_flight", "in flight", show=False),
        Binding("slash", "filter", "filter", show=False),
        Binding("enter", "keep_filter", "keep", show=False),
        Binding("escape", "leave_filter", "leave", show=False),
        Binding("space", "pause", "pause", show=False),
        Binding("k", "stop", "stop", show=False),
        Binding("q", "quit", "quit", show=False),
    ]

    def __init__(self, source: TopSource, found: TopAnswer, every_s: float) -> None:
        super().__init__()
        self._source = source
        self._found = found
        self._every_s = every_s
        self._look = Look()
        self._is_paused = self._is_looking = False
        self._is_in_flight = False
        """Calls in flight are chosen among, not groups."""
        self._is_typing = False
        """Keys are a filter's letters."""
        self._said = ""
        self._shown: list[TopLine] = []

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield Static(id="chart")
        yield Rows(id="groups", cursor_type="row")
        yield Rows(id="running", cursor_type="row")
        yield Static(id="keys")

    def on_mount(self) -> None:
        """Show what was seen already, and go on looking."""
        self._table("#groups").focus()
        self._draw()
        self.set_interval(self._every_s, self._begin_look)

    def on_resize(self, _: Resize) -> None:
        """Fit the columns to the terminal."""
        self._draw()

    # -- looking --

    def _begin_look(self) -> None:
        if not self._is_paused and not self._is_looking:
            self._is_looking = True
            self.run_worker(self._look_now, thread=True)

    def _look_now(self) -> None:
        try:
            found = self._source.look()
        except FareboxError as error:
            self.call_from_thread(self._take, None, str(error))
        else:
            self.call_from_thread(self._take, found, "")

    def _take(self, found: TopAnswer | None, trouble: str) -> None:
        self._is_looking = False
        if found is not None:
            self._found = found
        self._said = trouble or ("" if self._said.startswith("cannot ") else self._said)
        if not self._is_paused:
            self._draw()

    # -- keys --

    def action_order(self, order: Any) -> None:
        """Sort by something else."""
        self._look = self._look._replace(order=order)
        self._draw()

    def action_tree(self) -> None:
        """Show the agents of sessions, or hide them."""
        self._look = self._look._replace(is_tree=not self._look.is_tree, view="sessions")
        self._draw()

    def action_view(self) -> None:
        """Show the next view."""
        following = VIEWS[(VIEWS.index(self._look.view) + 1) % len(VIEWS)]
        self._look = self._look._replace(view=following)
        self._draw()

    def action_in_flight(self) -> None:
        """Choose among calls in flight, or among groups again."""
        self._is_in_flight = not self._is_in_flight  # at once: the focus itself follows later
        self._table("#running" if self._is_in_flight else "#groups").focus()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Take a click into the other table as a choice of it."""
        self._is_in_flight = event.widget.id == "running"

    def action_pause(self) -> None:
        """Stop looking, or go on."""
        self._is_paused = not self._is_paused
        self._draw()

    def action_filter(self) -> None:
        """Take the next keys for a text that names have to have."""
        self._is_typing = True
        self._draw()

    def action_leave_filter(self) -> None:
        """Show everything again."""
        self._is_typing = False
        self._filter("")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let letters be letters while a filter is typed."""
        if action in ("keep_filter", "leave_filter"):
            return self._is_typing or action == "leave_filter"
        return not self._is_typing

    def on_key(self, event: Key) -> None:
        """Add a letter to the filter, or take one away."""
        if not self._is_typing:
            return
        if event.key == "backspace":
            self._filter(self._look.filter[:-1])
        elif event.is_printable and event.character:
            self._filter(self._look.filter + event.character)

    def action_keep_filter(self) -> None:
        """Let keys be keys again."""
        self._is_typing = False
        self._draw()

    def action_stop(self) -> None:
        """Stop the session or process of the row, if that is wanted."""
        chosen = self._chosen()
        if chosen is None:
            self._say("nothing here can be stopped: choose a session or a process")
            return
        dimension, value = chosen

        def answered(is_wanted: bool | None) -> None:
            if is_wanted:
                self.run_worker(lambda: self._stop(dimension, value), thread=True)

        self.push_screen(Question(f"{dimension} {clean(value)}"), answered)

    # -- what keys do --

    def _filter(self, text: str) -> None:
        self._look = self._look._replace(filter=text)
        self._draw()

    def _chosen(self) -> tuple[str, str] | None:
        running = self._table("#running")
        if self._is_in_flight:
            at = running.cursor_row
            if not 0 <= at < len(self._found.in_flight):
                return None
            call = self._found.in_flight[at]
            if call.session:
                return "session", call.session
            return ("process", call.process) if call.process else None
        at = self._table("#groups").cursor_row
        if not 0 <= at < len(self._shown) or self._shown[at].dimension is None:
            return None
        return str(self._shown[at].dimension), self._shown[at].value

    def _stop(self, dimension: str, value: str) -> None:
        try:
            _, is_new = stop_now(self._source.home, dimension, value, _REASON)
            said = f"{dimension} {clean(value)} is stopped{'' if is_new else ' already'}"
        except FareboxError as error:
            said = str(error)
        self.call_from_thread(self._say, said)

    def _say(self, words: str) -> None:
        self._said = words
        self._draw()

    # -- drawing --

    def _draw(self) -> None:
        if not self.query("#keys"):
            return
        found, width = self._found, self.size.width
        title = Text(head(found))
        if self._is_paused:
            title.append("  PAUSED", style="bold yellow")
        if self._source.home.is_demo:
            title.append("  DEMO DATA", style="bold yellow")
        self.query_one("#head", Static).update(title)
        spent = [each.cost_pico for each in found.minutes]
        block = max(min(width - 2, len(spent) * (width // len(spent) or 1)), 1)
        wide = [value for value in spent for _ in range(max(block // len(spent), 1))]
        rows = chart_columns(wide, _CHART_HEIGHT, width)
        self.query_one("#chart", Static).update(Text("\n".join([*rows, _axis(len(rows[0]), max(spent))])))
        self._draw_groups(width)
        self._draw_running(width)
        told = f"{self._look.view} by {self._look.order}"
        told += f" · filter: {self._look.filter}" if self._look.filter else ""
        keys = _KEYS if width >= len(_KEYS) + len(told) + 3 else _KEYS_NARROW
        said = Text(self._said, style="bold") if self._said else Text(f"{told}  {keys}")
        if self._is_typing:
            said = Text(f"/{self._look.filter}▏ Enter keeps it, Escape takes it back", style="bold")
        said.truncate(width)
        self.query_one("#keys", Static).update(said)

    def _table(self, name: str) -> Rows:
        return self.query_one(name, Rows)

    def _draw_groups(self, width: int) -> None:
        self._shown = lines(self._found, self._look)
        figures = [("cost", 12), ("calls", 7)]
        figures += [("tokens", 12)] if width >= 60 else []
        figures += [("errors", 6)] if width >= _NARROW else []
        figures += [("latest", 8)] if width >= _MEDIUM else []
        cells = [
            {
                "cost": group_money(each.sums),
                "calls": f"{each.sums.calls:,}",
                "tokens": f"{each.sums.tokens:,}",
                "errors": f"{each.sums.errors:,}" if each.sums.errors else "–",
                "latest": _clock(each.sums.last_at),
            }
            for each in self._shown
        ]
        names = [
            Text("  " * each.depth + each.name, style="strike" if each.sums.stopped else "")
            for each in self._shown
        ]
        table = self._table("#groups")
        _fill(table, self._look.view, names, figures, cells, width, [each.key for each in self._shown])

    def _draw_running(self, width: int) -> None:
        calls = self._found.in_flight
        figures = [("s", 5), ("so far", 14 if width < _NARROW else 24)]
        names = [Text(f"{clean(each.model or each.provider)}  {whose(each)}") for each in calls]
        cells = [{"s": f"{running_s(each, self._found.at)}", "so far": so_far(each)} for each in calls]
        more = f" and {self._found.more_in_flight:,} more" if self._found.more_in_flight else ""
        title = f"{len(calls):,}{more} in flight"
        table = self._table("#running")
        _fill(table, title, names, figures, cells, width, [each.id for each in calls])


def _fill(
    table: Rows,
    title: str,
    names: list[Text],
    figures: list[tuple[str, int]],
    cells: list[dict[str, str]],
    width: int,
    keys: list[str],
) -> None:
    """Draw a table anew, its cursor on the row that it was on, wherever that is now."""
    before = _key_at(table)
    table.clear(columns=True)
    left = width - sum(size + 2 for _, size in figures) - 4
    table.add_column(title, width=max(left, 10))
    for name, size in figures:
        table.add_column(Text(name, justify="right"), width=size)
    for name, row, key in zip(names, cells, keys, strict=True):
        shown = [Text(row[figure], justify="right") for figure, _ in figures]
        table.add_row(name, *shown, key=key)
    if before in keys:
        table.move_cursor(row=keys.index(before), animate=False)


def _key_at(table: Rows) -> str | None:
    if not table.row_count:
        return None
    key = table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
    return None if key is None else str(key)


def _axis(width: int, most: int) -> str:
    left, right = "60 min ago", f"most {display_usd(most)}/min  now"
    return left + " " * max(width - len(left) - len(right), 1) + right


def _clock(moment: str | None) -> str:
    """Return a moment's time of day in the system's zone."""
    if moment is None:
        return ""
    return f"{datetime.fromisoformat(moment).astimezone(zone_named(None)):%H:%M:%S}"
