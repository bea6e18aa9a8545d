"""`farebox demo`: a home of made-up data, to look around in."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from types import FrameType
from typing import Annotated

import msgspec
from cyclopts import Parameter

from farebox.analytics.questions import Selection
from farebox.cli.access import open_questions
from farebox.cli.daemon.running import NAMES, running
from farebox.cli.exits import OK
from farebox.cli.imports.answers import ProgressLine
from farebox.cli.invoices.invoice_issue import billing_desk
from farebox.cli.options import AsJson, Place
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import count, money
from farebox.clock import iso, now_ns
from farebox.errors import UsageError
from farebox.home import Home
from farebox.program import command
from farebox.time_expressions import moment_ns

CALLS, CALLS_MAX = 30_000, 1_000_000
_SECOND_NS = 10**9


class DemoAnswer(msgspec.Struct, kw_only=True):
    """`farebox demo --json`."""

    schema: str = "farebox.demo/1"
    home: str
    calls: int
    seed: int
    since: str
    until: str
    cost_pico: int
    unpriced_calls: int
    open: str
    """The command that starts it."""


def demo(
    *,
    place: Place | None = None,
    calls: Annotated[int, Parameter(help=f"How many calls, up to {CALLS_MAX:,}.")] = CALLS,
    seed: Annotated[int, Parameter(help="Another number makes other calls, the same one the same.")] = 1,
    until: Annotated[
        str | None, Parameter(help="When the thirty days end: 2026-11-29T12:00Z; now without it.")
    ] = None,
    live: Annotated[
        bool, Parameter(negative="", help="Go on making calls until Ctrl-C, also in the demo that is there.")
    ] = False,
    replace: Annotated[bool, Parameter(negative="", help="Make anew the demo that is there.")] = False,
    as_json: AsJson = False,
) -> int:
    """Fill a separate home with thirty days of made-up calls, customers, budgets and alerts.

    Your own home is not touched: without `--home` it is a directory beside the usual one.
    """
    from farebox.demo.demo_home import Label, default_home, finish, prepare, read_label
    from farebox.demo.filling import fill
    from farebox.demo.traffic import SPAN_NS

    if not 1 <= calls <= CALLS_MAX:
        raise UsageError(f"--calls {calls:,} is not a number from 1 to {CALLS_MAX:,}")
    chosen = place or Place()
    home = default_home() if chosen.home is None else chosen.location()
    found = read_label(home)
    if live and not replace and found is not None and found.complete:
        return _go_on(home)
    for name in NAMES:
        if running(home, name) is not None:
            raise UsageError(f"{home.path} is in use by the {name}; type: {command('stop', home)}")
    until_ns = _moment(until)
    label = Label(calls=calls, seed=seed, until=iso(until_ns))
    prepare(home, label, replace=replace)
    line = ProgressLine()
    try:
        made = fill(
            home,
            calls,
            seed,
            until_ns,
            lambda done, of: line.show(f"{done:,} of {of:,} calls ({done * 100 // of} %)"),
        )
        line.show("copying them for questions, issuing invoices …")
        with open_questions(home) as questions:
            (totals,) = questions.totals(Selection())
        with billing_desk(Place(home=home.path, config=home.config)) as desk:
            desk.run(until_ns, actor="demo", accept_unpriced=True)
    finally:
        line.end()
    finish(home, label)
    start = command("up", home)
    if as_json:
        print_json(
            DemoAnswer(
                home=str(home.path),
                calls=made,
                seed=seed,
                since=iso(until_ns - SPAN_NS),
                until=iso(until_ns),
                cost_pico=totals.cost_pico,
                unpriced_calls=totals.unpriced_calls,
                open=start,
            )
        )
        return OK
    print(f"{count(made, 'made-up call')} of thirty days, {money(totals)}, in {home.path}.")
    print(_how_to_open(home))
    return _go_on(home) if live else OK


def _go_on(home: Home) -> int:
    """Make calls until Ctrl-C."""
    from farebox.demo.live import LiveCalls

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):  # in a shell's background the first is ignored otherwise
        signal.signal(number, interrupt)
    print(f"Making calls in {home.path}; Ctrl-C ends it.", flush=True)
    calls = LiveCalls(home, now_ns())
    try:
        calls.run()
    except KeyboardInterrupt:
        print()
    finally:
        calls.close()
    print(f"{count(calls.calls, 'call')} more.")
    return OK


def _how_to_open(home: Home) -> str:
    return (
        f"Look around:\n  {command('today', home)}\n  {command('by app,model', home)}\n"
        f"With the dashboard:\n  {command('up', home)}"
    )


def _moment(until: str | None) -> int:
    """Return a whole second, so that `--until` can name it again."""
    now = now_ns() // _SECOND_NS * _SECOND_NS
    if until is None:
        return now
    found = moment_ns(until, datetime.fromtimestamp(now // _SECOND_NS, UTC).astimezone())
    if found > now:
        raise UsageError(f"--until {until} is in the future, where no call was made yet")
    return found
