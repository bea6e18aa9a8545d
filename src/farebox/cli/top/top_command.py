"""`farebox top`: what is spending now, live, and a way to stop it."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

from cyclopts import Parameter

from farebox.cli.charts import can_show, sparkline
from farebox.cli.exits import OK
from farebox.cli.options import AsJson, Place
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.reports.summary import warning_lines
from farebox.cli.screen import BOLD, DIM, Column, clean, count, money, paint, table
from farebox.cli.top.rows import Look, View, group_money, lines
from farebox.cli.top.snapshot import TopAnswer, TopCall, TopSource
from farebox.errors import UsageError
from farebox.money import display_usd

EVERY_S, EVERY_MIN_S = 1.0, 0.2
_ROWS = 10


def top(
    *,
    place: Place | None = None,
    every: Annotated[float, Parameter(help="Seconds between two looks.")] = EVERY_S,
    as_json: AsJson = False,
) -> int:
    """Show what is spending now: dollars a minute, sessions, processes, models, and calls in flight.

    Keys: c n o l m sort by cost, calls, tokens, latest, name; t shows a session's agents; Tab the next view;
    i chooses among calls in flight; / filters; space pauses; k stops a session or process, after a question;
    q ends. Without a terminal, and with `--json`, it looks once.
    """
    if not every >= EVERY_MIN_S:
        raise UsageError(f"--every {every} is less than {EVERY_MIN_S} seconds")
    source = TopSource(place or Place())
    found = source.look()
    if as_json:
        print_json(found)
        return OK
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print(render(found))
        return OK
    from farebox.cli.top.top_app import TopApp

    TopApp(source, found, every).run()
    return OK


def head(found: TopAnswer) -> str:
    """Return today's total, and what the last minute and hour came to."""
    hour = sum(each.cost_pico for each in found.minutes)
    bound = "≥ " if any(each.unpriced_calls for each in found.minutes) else ""
    last = found.minutes[-2].cost_pico if len(found.minutes) > 1 else 0
    today = money(found.today, covered=found.coverage.complete)
    return f"today {today} · hour {bound}{display_usd(hour)} · minute {display_usd(last)}"


def render(found: TopAnswer) -> str:
    """Return one look as text."""
    shown = [paint(head(found), BOLD), *warning_lines(found.coverage)]
    spent = [each.cost_pico for each in found.minutes]
    if any(spent) and can_show():
        shown.append(f"{paint('by minute ', DIM)}{sparkline(spent)}")
    shown += ["", *_in_flight(found)]
    views: tuple[View, ...] = ("sessions", "processes", "models")
    for view in views:
        rows = lines(found, Look(view))[:_ROWS]
        if rows:
            columns = [
                Column(view, width_max=48, width_min=16),
                Column("calls", right=True),
                Column("tokens", right=True, drop=2),
                Column("errors", right=True, drop=3),
                Column("cost", right=True),
            ]
            cells = [
                [
                    each.name + (" (stopped)" if each.sums.stopped else ""),
                    f"{each.sums.calls:,}",
                    f"{each.sums.tokens:,}",
                    f"{each.sums.errors:,}",
                    group_money(each.sums),
                ]
                for each in rows
            ]
            shown += ["", table(columns, cells)]
    return "\n".join(shown)


def so_far(call: TopCall) -> str:
    """Return what a call in flight costs so far: known at the least, and at the most where it is reserved."""
    known = "–" if call.cost_pico is None else f"≥ {display_usd(call.cost_pico)}"
    return known if call.reserved_pico is None else f"{known} (≤ {display_usd(call.reserved_pico)})"


def running_s(call: TopCall, at: str) -> int:
    """Return for how many seconds a call has been in flight."""
    began, now = datetime.fromisoformat(call.began_at), datetime.fromisoformat(at)
    return max(int((now - began).total_seconds()), 0)


def whose(call: TopCall) -> str:
    """Return who makes a call, as short as it can be told."""
    named = (call.session, call.agent, call.customer)
    parts = [clean(each) for each in named if each]
    return (
        " · ".join(parts) or clean(call.command or "") or (f"process {call.process}" if call.process else "–")
    )


def _in_flight(found: TopAnswer) -> list[str]:
    if not found.in_flight:
        return ["no call is in flight"]
    columns = [
        Column("in flight", width_max=40, width_min=14),
        Column("whose", width_max=40, width_min=12),
        Column("s", right=True, drop=1),
        Column("so far", right=True),
    ]
    rows = [
        [clean(each.model or each.provider), whose(each), f"{running_s(each, found.at)}", so_far(each)]
        for each in found.in_flight[:_ROWS]
    ]
    more = len(found.in_flight) - len(rows) + found.more_in_flight
    return [table(columns, rows), *([f"and {count(more, 'more call')}"] if more else [])]
