"""`farebox alerts history`: what alerts had to say."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Annotated

import msgspec
from cyclopts import Parameter

from farebox.alerts.event import State
from farebox.cli.alerts.alert_evaluation import not_evaluated
from farebox.cli.exits import OK
from farebox.cli.options import AsJson, PeriodFlags, Place
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import GREEN, RED, YELLOW, Column, clean, paint, table
from farebox.home import Home
from farebox.program import command
from farebox.server.api.alerts.alert_views import EVENTS_SHOWN, AlertEventView, history_view
from farebox.snapshot import read_snapshot

HISTORY_MAX = 10_000


class HistoryAnswer(msgspec.Struct, kw_only=True):
    """`farebox alerts history --json`."""

    schema: str = "farebox.alert-history/1"
    events: list[AlertEventView]
    """The newest first."""


def history(
    name: Annotated[
        str | None, Parameter(help="Only of this alert; a removed one has a history, too.")
    ] = None,
    /,
    *,
    state: Annotated[State | None, Parameter(help="Only this.")] = None,
    limit: Annotated[int, Parameter(help="How many, the newest first.")] = EVENTS_SHOWN,
    period: PeriodFlags | None = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """List what alerts had to say: what fired, what has recovered, and who was told."""
    home = (place or Place()).state_to_read()
    publish_home(home)
    span = (period or PeriodFlags()).period()
    found = history_view(
        home,
        alert=name,
        state=state,
        since_ns=span.since_ns,
        until_ns=span.until_ns,
        limit=max(1, min(limit, HISTORY_MAX)),
    )
    if as_json:
        print_json(HistoryAnswer(events=found.events))
    elif found.events:
        print(events_table(found.events, span.zone))
    else:
        print(_nothing(home, filtered=bool(name or state or period)))
    if not as_json and read_snapshot(home).alerts and (idle := not_evaluated(home)) is not None:
        print(idle)
    return OK


def events_table(events: list[AlertEventView], zone: tzinfo, *, told: bool = True) -> str:
    """Return events as a table."""
    columns = [
        Column("when", drop=1),
        Column("what", width_min=30),
        Column("state"),
        Column("compared with", drop=3, width_min=12),
    ]
    if told:
        columns.append(Column("told", drop=2))
    return table(columns, [_cells(each, zone)[: len(columns)] for each in events])


def _cells(each: AlertEventView, zone: tzinfo) -> list[str]:
    when = datetime.fromisoformat(each.at).astimezone(zone)
    colour = GREEN if each.state == "recovered" else RED if each.severity == "critical" else YELLOW
    return [
        f"{when:%Y-%m-%d %H:%M}",
        clean(each.words),
        paint(each.state, colour),
        clean(each.basis),
        clean(", ".join(each.told)) or "nobody",
    ]


def _nothing(home: Home, *, filtered: bool) -> str:
    if filtered:
        return f"Nothing of that kind. All of it:  {command('alerts history', home)}"
    published = read_snapshot(home)
    if not published.alerts:
        return f"No alert is set. See what most people want:  {command('alerts', home)}"
    return (
        "No alert had anything to say yet.\n"
        f"What would have been told:  {command('alerts simulate', home)}\n"
        f"Send a test:  {command(f'alerts test {published.alerts[0].name}', home)}"
    )
