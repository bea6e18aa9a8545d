"""`farebox exports test`, `replay`, `settle` and `reconcile`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from farebox.cli.exits import ANSWER_IS_NO, OK
from farebox.cli.exports.export_changes import changes
from farebox.cli.exports.export_list import Name, known
from farebox.cli.options import AsJson, Place
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import Column, clean, count, table
from farebox.clock import now_ns
from farebox.errors import UsageError
from farebox.home import Home
from farebox.program import command
from farebox.server.api.exports.export_views import ExportCount, ExportTrial


class ExportTrialAnswer(ExportTrial, kw_only=True):
    """`farebox exports test NAME --json`."""

    schema: str = "farebox.export-test/1"


class ExportCountAnswer(ExportCount, kw_only=True):
    """`farebox exports replay NAME --json` and `settle NAME --json`."""

    schema: str = "farebox.export-events/1"


class ReconciledDay(msgspec.Struct, kw_only=True):
    """What a day's usage of a customer comes to, here and at the receiver."""

    day: str
    customer: str
    quantity: str
    record: str
    """By the record, as far as the export has followed it."""
    receiver: str
    """By what the receiver has answered to have."""
    open: str
    """In events that it does not have yet: held, waiting, refused, in doubt."""
    difference: str
    """What neither has: zero, unless something is wrong."""


class ReconciliationAnswer(msgspec.Struct, kw_only=True):
    """`farebox exports reconcile NAME --json`."""

    schema: str = "farebox.export-reconciliation/1"
    export: str
    seq: int
    """The row of the record up to which it is compared."""
    agrees: bool
    """Whether every difference is zero and nothing is open."""
    days: list[ReconciledDay]


def test(name: Name, /, *, place: Place | None = None, as_json: AsJson = False) -> int:
    """Ask the receiver whether it knows our key. No usage is handed over to find out."""
    from farebox.exports.changes import check_export

    home = _home(place)
    reason = check_export(home, name)
    if as_json:
        print_json(ExportTrialAnswer(export=name, accepted=not reason, reason=reason))
    elif reason:
        print(f"{name} does not take usage now: {clean(reason)}")
    else:
        print(f"{name} is reached, and knows the key.")
    return ANSWER_IS_NO if reason else OK


def replay(name: Name, /, *, place: Place | None = None, as_json: AsJson = False) -> int:
    """Send events again that were refused or cancelled, under the names that are set now.

    What the receiver has, or may have, is not sent again.
    """
    home = _home(place)
    number = changes(home, now_ns()).replay(name)
    return _counted(home, name, number, f"{count(number, 'event')} sent again.", as_json)


def settle(
    name: Name,
    ids: Annotated[list[str] | None, Parameter(help="Only these events.", negative="")] = None,
    /,
    *,
    received: Annotated[
        bool | None,
        Parameter(
            negative="--not-received", help="The receiver has them, or it has not: then they are sent."
        ),
    ] = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Say what became of events in doubt: they may have arrived, and the receiver no longer knows their ids.

    Look for them there first; `status` lists them.
    """
    if received is None:
        raise UsageError("say --received or --not-received, once you have looked for them there")
    home = _home(place)
    chosen = _whole_ids(home, name, ids or [])
    number = changes(home, now_ns()).settle(name, received=received, ids=chosen)
    words = "are with the receiver" if received else "are sent"
    return _counted(home, name, number, f"{count(number, 'event')} in doubt {words}.", as_json)


def reconcile(name: Name, /, *, place: Place | None = None, as_json: AsJson = False) -> int:
    """Compare, for each day and customer, what the record says with what the receiver has been told."""
    from farebox.channels.usage.usage_event import value_text
    from farebox.exports.reconciliation import reconciliation

    home = _home(place)
    known(home, name)
    found = reconciliation(home, name)
    days = [
        ReconciledDay(
            day=each.day,
            customer=each.customer,
            quantity=each.quantity,
            **{
                key: value_text(each.quantity, getattr(each, key))
                for key in ("record", "receiver", "open", "difference")
            },
        )
        for each in found.days
    ]
    if as_json:
        print_json(ReconciliationAnswer(export=name, seq=found.seq, agrees=found.agrees, days=days))
        return OK if found.agrees else ANSWER_IS_NO
    if found.agrees:
        print(f"{name} agrees with the record to row {found.seq:,}: {count(len(days), 'total')} compared.")
        return OK
    wrong = [each for each in days if each.open != "0" or each.difference != "0"]
    columns = [
        Column("day"),
        Column("customer"),
        Column("quantity"),
        *(Column(title, right=True) for title in ("record", "receiver", "open", "difference")),
    ]
    rows = [
        [
            each.day,
            clean(each.customer),
            each.quantity,
            each.record,
            each.receiver,
            each.open,
            each.difference,
        ]
        for each in wrong
    ]
    print(table(columns, rows))
    print(f"See what is open:  {command(f'exports status {name}')}")
    return ANSWER_IS_NO


def _counted(home: Home, name: str, number: int, words: str, as_json: bool) -> int:
    if as_json:
        print_json(ExportCountAnswer(events=number, export=known(home, name).export))
    else:
        print(words)
    return OK


def _whole_ids(home: Home, name: str, beginnings: list[str]) -> list[str]:
    """Return the ids of events in doubt that begin so, as `status` shortens them."""
    attention = known(home, name).attention
    found: list[str] = []
    for each in beginnings:
        fitting = [event.id for event in attention if event.state == "in_doubt" and event.id.startswith(each)]
        if len(fitting) != 1:
            raise UsageError(
                f"{'several events' if fitting else 'no event'} in doubt has an id with {each!r}"
            )
        found += fitting
    return found


def _home(place: Place | None) -> Home:
    home = (place or Place()).state()
    publish_home(home)
    return home
