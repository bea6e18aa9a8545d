"""`farebox tail` and `farebox explain`: single calls, latest first or as they come, and why."""

from __future__ import annotations

import time
from typing import Annotated

from cyclopts import Parameter

from farebox.analytics.questions import Selection
from farebox.cli.access import open_ledger, open_questions, say_what_is_missing
from farebox.cli.exits import ANSWER_IS_NO, OK, say
from farebox.cli.options import (
    AsCsv,
    AsJson,
    Filters,
    PeriodFlags,
    Place,
    check_one_format,
    selection_of,
)
from farebox.cli.reports import json_shapes
from farebox.cli.reports.export import print_calls
from farebox.cli.reports.receipt import call_receipt
from farebox.cli.screen import Column, call_money, table
from farebox.clock import uuid_bytes
from farebox.config import key_labels
from farebox.errors import CallNotFoundError, UsageError
from farebox.home import Home
from farebox.ledger.call_row import CallRow
from farebox.ledger.calls import LedgerReader
from farebox.snapshot import read_snapshot

FOLLOW_SECONDS = 0.25
SUGGESTED = 5
_AT_A_TIME = 1_000


def tail(
    *,
    place: Place | None = None,
    period: PeriodFlags | None = None,
    filters: Filters | None = None,
    follow: Annotated[
        bool, Parameter(name=["-f", "--follow"], negative="", help="Show calls as they come.")
    ] = False,
    lines: Annotated[int, Parameter(name=["-n", "--lines"], help="How many calls to start with.")] = 20,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> int:
    """List the latest calls, newest last; one JSON object a line with `--json`."""
    check_one_format(as_json=as_json, as_csv=as_csv)
    if as_csv and follow:
        raise UsageError("--csv ends with the latest call: it cannot --follow")
    flags = period or PeriodFlags()
    chosen = flags.period()
    narrowed = selection_of(chosen, filters)
    home, ledger = open_ledger(place or Place())
    say_what_is_missing(home, ledger)
    last = ledger.last_seq()
    shown = _newest(home, ledger, narrowed, lines)[::-1] if lines > 0 else []
    if as_csv:
        print_calls(shown)
        return OK
    _show(shown, chosen.zone_name, as_json, title=not as_json)
    if not follow:
        return OK
    return _follow(place or Place(), ledger, narrowed, last, chosen.zone_name, as_json)


def explain(
    call_id: Annotated[
        str, Parameter(help="The call's id, or the beginning of it; or an invoice's line, as INV-000007/3.")
    ],
    /,
    *,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Print a call's receipt: each quantity × unit price = amount, the price's id, date and source.

    Of an invoice's line its arithmetic, and the calls that add up to it.
    """
    chosen = place or Place()
    if "/" in call_id:
        from farebox.cli.invoices.line_explanation import explain_line

        return explain_line(call_id, chosen, as_json=as_json)
    home, ledger = open_ledger(chosen)
    try:
        call = ledger.call(call_id)
    except CallNotFoundError as error:
        nearest = suggestions(ledger, call_id)
        say(f"{error}. The nearest ones are:" if nearest else str(error))
        for near in nearest:
            say(f"  {near.event_id}  {near.occurred_at}  {near.response_model or near.request_model or '–'}")
        return ANSWER_IS_NO
    if as_json:
        json_shapes.print_json(call)
    else:
        keys = read_snapshot(home).keys(chosen.configuration(home).keys)
        print(call_receipt(call, key_labels(keys)))
    return OK


def suggestions(ledger: LedgerReader, wrong: str) -> list[CallRow]:
    """Return suggestions for an unknown id: same beginning of the id, else the latest."""
    latest = ledger.newest(200)
    digits = wrong.replace("-", "").lower()

    def same(call: CallRow) -> int:
        own = call.event_id.replace("-", "")
        return next((i for i, (a, b) in enumerate(zip(own, digits, strict=False)) if a != b), len(digits))

    return sorted(latest, key=same, reverse=True)[:SUGGESTED]


def _newest(home: Home, ledger: LedgerReader, narrowed: Selection, limit: int) -> list[CallRow]:
    """Return the newest calls of a selection; without a filter the record itself is read."""
    if narrowed.is_everything:
        return ledger.newest(limit)
    with open_questions(home) as questions:
        return ledger.by_seq(questions.calls(narrowed, limit))


def _after(home: Home, ledger: LedgerReader, narrowed: Selection, seq: int) -> list[CallRow]:
    if narrowed.is_everything:
        return ledger.after(seq, _AT_A_TIME)
    with open_questions(home) as questions:
        return ledger.by_seq(questions.calls(narrowed, _AT_A_TIME, after_seq=seq))


def _follow(
    place: Place, ledger: LedgerReader, narrowed: Selection, last: int, zone: str, as_json: bool
) -> int:
    home = place.state_to_read()
    while True:
        time.sleep(FOLLOW_SECONDS)
        newest = ledger.last_seq()
        if newest == last:
            home, ledger = open_ledger(place, patience_s=0)  # applies waiting records where no daemon does
            newest = ledger.last_seq()
        if newest > last:
            fresh = _after(home, ledger, narrowed, last)
            _show(fresh, zone, as_json, title=False)
            last = fresh[-1].seq if len(fresh) == _AT_A_TIME else newest


def _show(calls: list[CallRow], zone: str, as_json: bool, *, title: bool) -> None:
    if as_json:
        for call in calls:
            json_shapes.print_json_line(call)
        return
    if not calls and not title:
        return
    text = calls_table(calls, zone)
    print(text if title else text.partition("\n")[2], flush=True)


def calls_table(calls: list[CallRow], zone: str) -> str:
    """Return calls as a table with times in `zone`."""
    columns = [
        Column(f"time ({zone})", width_min=14),
        Column("id", drop=2),
        Column("model", width_max=40, width_min=24),
        Column("app", drop=4, width_max=20, width_min=10),
        Column("surface", drop=5),
        Column("status", right=True, drop=1),
        Column("in", right=True, drop=6),
        Column("out", right=True, drop=6),
        Column("ms", right=True, drop=7),
        Column("cost", right=True),
    ]
    return table(columns, [_cells(call, zone) for call in calls])


def _cells(call: CallRow, zone: str) -> list[str]:
    return [
        _local(call.occurred_at, zone),
        short_id(call.event_id),
        call.response_model or call.request_model or "–",
        call.attribution.get("app", "–"),
        call.surface,
        str(call.status) if call.outcome == "completed" else f"{call.status or '–'} {call.outcome}",
        f"{call.input_tokens:,}",
        f"{call.output_tokens:,}",
        f"{call.total_us // 1000:,}",
        call_money(call.cost_pico, call.cost_state) if call.billable else "–",
    ]


def short_id(event_id: str) -> str:
    """Return the beginning of an id that `explain` takes: time to the millisecond and 12 random bits."""
    uuid_bytes(event_id)
    return event_id[:18]


def _local(occurred_at: str, zone: str) -> str:
    from datetime import datetime

    from farebox.time_expressions import zone_named

    stamp = datetime.fromisoformat(occurred_at).astimezone(zone_named(zone))
    return f"{stamp:%m-%d %H:%M:%S}"
