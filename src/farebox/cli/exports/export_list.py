"""`farebox exports` and `farebox exports status`."""

from __future__ import annotations

import contextlib
from typing import Annotated

import msgspec
from cyclopts import Parameter

from farebox.cli.exits import OK
from farebox.cli.options import AsJson, Place
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import Column, clean, count, table
from farebox.home import Home
from farebox.program import command
from farebox.server.api.exports.export_views import (
    ExportDetail,
    ExportEvents,
    ExportView,
    export_detail,
    exports_view,
)

Name = Annotated[str, Parameter(help="The export's name.")]


class ExportsAnswer(msgspec.Struct, kw_only=True):
    """`farebox exports --json`."""

    schema: str = "farebox.exports/1"
    exports: list[ExportView]


class ExportStatusAnswer(ExportDetail, kw_only=True):
    """`farebox exports status NAME --json`, and of what changes an export."""

    schema: str = "farebox.export/1"


def list_exports(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """List the systems that usage is handed over to, and how each is doing."""
    home = (place or Place()).state_to_read()
    publish_home(home)
    found = exports_view(home, last_seq(home)).exports
    if as_json:
        print_json(ExportsAnswer(exports=found))
        return OK
    if not found:
        print(
            "Usage is handed over to nobody.\n"
            f"Add an export:  {command('exports add NAME --to stripe --key-env STRIPE_API_KEY')}\n"
            f"or under `exports:` in {home.config}"
        )
        return OK
    columns = [
        Column("name"),
        Column("to"),
        Column("events of", drop=3),
        Column("sent", right=True),
        Column("waiting", right=True),
        Column("needs you", width_min=10),
        Column("rows behind", right=True, drop=2),
        Column("state", width_max=60, width_min=8),
    ]
    rows = [
        [
            each.name,
            each.origin,
            f"a {each.granularity}" if each.granularity != "hour" else "an hour",
            f"{each.events.taken + each.events.duplicate:,}",
            f"{each.events.waiting:,}",
            needs_words(each.events),
            f"{each.behind:,}",
            clean(each.state if each.reason in (None, "") else f"{each.state}: {each.reason}"),
        ]
        for each in found
    ]
    print(table(columns, rows))
    return OK


def status(name: Name, /, *, place: Place | None = None, as_json: AsJson = False) -> int:
    """Show one export, and the events that need somebody."""
    home = (place or Place()).state_to_read()
    publish_home(home)
    found = known(home, name)
    if as_json:
        print_status(found)
        return OK
    export = found.export
    print(f"{export.name} hands usage over to {export.to} at {export.origin}; its key is {export.secret}.")
    reason = f": {clean(export.reason)}" if export.reason else ""
    reached = "nothing yet" if export.seq is None else f"row {export.seq:,}, {export.behind:,} behind"
    print(f"It is {export.state}{reason}. It has followed the record to {reached}.")
    sent = count(export.events.taken + export.events.duplicate, "event")
    print(f"The receiver has {sent} of the last 90 days; {export.events.waiting:,} wait to be sent.")
    if found.attention:
        print(f"\nWhat needs you: {needs_words(export.events)}")
        columns = [
            Column("event"),
            Column("customer"),
            Column("usage of", drop=2),
            Column("what", width_max=40, drop=1),
            Column("state"),
            Column("why", width_max=70, width_min=12),
        ]
        rows = [
            [
                each.id[:12],
                clean(each.customer),
                f"{each.usage_from[:13]}h",
                clean(", ".join(f"{value} {key}" for key, value in each.quantities.items())),
                each.state,
                clean(each.words or ("no name of the customer is set" if each.state == "held" else "")),
            ]
            for each in found.attention
        ]
        print(table(columns, rows))
    return OK


def print_status(found: ExportDetail) -> None:
    """Print an export as JSON."""
    print_json(ExportStatusAnswer(export=found.export, attention=found.attention))


def known(home: Home, name: str) -> ExportDetail:
    """Return an export.

    Raises:
        UsageError: There is none of that name.
    """
    return export_detail(home, name, last_seq(home))


def last_seq(home: Home) -> int:
    """Return the record's newest row."""
    from farebox.errors import LedgerError
    from farebox.ledger.calls import LedgerReader

    with contextlib.suppress(LedgerError):
        return LedgerReader(home).last_seq()
    return 0


def needs_words(events: ExportEvents) -> str:
    """Return how many events need somebody, and for what."""
    found = [
        f"{number:,} {words}"
        for number, words in (
            (events.refused, "refused"),
            (events.held, "without a customer's name"),
            (events.in_doubt, "in doubt"),
        )
        if number
    ]
    return ", ".join(found) or "nothing"
