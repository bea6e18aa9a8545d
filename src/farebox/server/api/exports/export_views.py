"""Exports as API v1 and `farebox exports --json` show them: no secret, and of a URL only the origin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from farebox.channels.usage.usage_event import value_text
from farebox.clock import iso

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farebox.channels.usage.usage_settings import UsageSettings
    from farebox.control.database import ControlDatabase
    from farebox.control.outbox.receivers import Receiver
    from farebox.home import Home

LISTED = 100
"""Events of an export that need somebody."""


class ExportEvents(msgspec.Struct, kw_only=True):
    """How the events of an export are doing. Of what the receiver has, those of the last 90 days."""

    held: int = 0
    """They are of customers that the receiver has no name for."""
    waiting: int = 0
    taken: int = 0
    duplicate: int = 0
    """The receiver said that it had them already."""
    refused: int = 0
    in_doubt: int = 0
    """They may have arrived, and the receiver no longer knows ids."""


class ExportView(msgspec.Struct, kw_only=True):
    """An export of usage, and how it is doing."""

    name: str
    to: str
    """`stripe`, `lago`, `openmeter`, `orb` or `metronome`."""
    origin: str
    """Where it is sent to, without the path."""
    secret: str
    """Where its key is, in words."""
    granularity: str
    """What an event is of: a `call`, an `hour` or a `day`."""
    customers: dict[str, str]
    """Our names of customers, and the receiver's."""
    unmapped: str
    """What becomes of other customers' usage: `hold`, it waits for a name; `same`, it goes under ours."""
    meters: dict[str, str]
    """Quantities, and the receiver's names of their meters or properties."""
    event: str | None
    """The kind of event, where quantities are its properties."""
    since: str | None
    """Calls from then on; null: what was recorded from when it was added on."""
    max_age_s: int | None
    """Usage that is older when it is sent is dated then."""
    id_memory_s: int | None
    """How long the receiver knows ids; null: for ever."""
    state: str
    """`active`, or `stopped`: it is paused, or something is wrong."""
    reason: str | None
    said_by: str
    """`file`, `command`, or `both`: then the file is in force."""
    seq: int | None
    """The row of the record up to which events are made; null: it has not begun."""
    behind: int
    """Rows of the record after that one."""
    events: ExportEvents


class Exports(msgspec.Struct, kw_only=True):
    """`/api/v1/exports`."""

    exports: list[ExportView]


class ExportEvent(msgspec.Struct, kw_only=True):
    """An event that needs somebody."""

    id: str
    customer: str
    account: str
    """The receiver's name of the customer; empty: there is none yet."""
    state: str
    """`held`, `refused` or `in_doubt`."""
    words: str | None
    """What the receiver said."""
    usage_from: str
    usage_until: str
    model: str
    quantities: dict[str, str]


class ExportDetail(msgspec.Struct, kw_only=True):
    """`/api/v1/exports/{name}`: an export, and the first events that need somebody."""

    export: ExportView
    attention: list[ExportEvent]
    """At most a hundred."""


class ExportCount(msgspec.Struct, kw_only=True):
    """How many events a change concerned, and how the export is doing then."""

    events: int
    export: ExportView


class ExportTrial(msgspec.Struct, kw_only=True):
    """Whether the receiver knows our key; no usage is handed over to find out."""

    export: str
    accepted: bool
    reason: str
    """Why not."""


def exports_view(home: Home, last_seq: int, database: ControlDatabase | None = None) -> Exports:
    """Return every export, by name; `last_seq` is the record's newest row."""
    if not home.control.exists():
        return Exports(exports=[])
    from farebox.control.database import open_control
    from farebox.exports.changes import exports

    with (database or open_control(home)).reading() as connection:
        return Exports(
            exports=[
                export_view(connection, found, said, last_seq) for found, said in exports(connection).values()
            ]
        )


def export_detail(
    home: Home, name: str, last_seq: int, database: ControlDatabase | None = None
) -> ExportDetail:
    """Return one export.

    Raises:
        UsageError: There is none of that name.
    """
    from farebox.control.database import open_control
    from farebox.control.usage_events import in_states
    from farebox.exports.changes import export_named

    with (database or open_control(home)).reading() as connection:
        view = export_view(connection, *export_named(connection, name), last_seq)
        found = in_states(connection, name, ("held", "refused", "in_doubt"), LISTED)
    attention = [
        ExportEvent(
            id=each.event.id,
            customer=each.customer,
            account=each.event.account,
            state=each.state,
            words=each.words,
            usage_from=iso(each.event.from_ns),
            usage_until=iso(each.event.until_ns),
            model=each.event.model,
            quantities={key: value_text(key, value) for key, value in each.event.sums.items()},
        )
        for each in found
    ]
    return ExportDetail(export=view, attention=attention)


def export_view(connection: Connection, found: Receiver, said: UsageSettings, last_seq: int) -> ExportView:
    """Return an export as it is shown."""
    from farebox.control import usage_events
    from farebox.control.outbox.signing_secrets import words
    from farebox.outbound.destination import destination

    progress = usage_events.progress(connection, found.name)
    figures = usage_events.figures(connection).get(found.name, usage_events.UsageFigures())
    both = found.configured and found.commanded
    return ExportView(
        name=found.name,
        to=said.form,
        origin=destination(found.settings.url or said.rules.url, found.settings.address).origin,
        secret=words(found.settings.secret),
        granularity=said.granularity,
        customers=said.customers,
        unmapped=said.unmapped,
        meters=said.meters,
        event=None if said.rules.has_meters else said.event,
        since=None if said.since_ns is None else iso(said.since_ns),
        max_age_s=said.max_age_s,
        id_memory_s=said.id_memory_s,
        state=found.state,
        reason=found.reason,
        said_by="both" if both else "file" if found.configured else "command",
        seq=None if progress is None else progress.seq,
        behind=0 if progress is None else max(last_seq - progress.seq, 0),
        events=ExportEvents(**msgspec.structs.asdict(figures)),
    )
