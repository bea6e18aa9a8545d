"""What an export has made of the record, and what its receiver answered: in the caller's transaction.

An event is there before it is sent, and stays. So nothing is sent twice when the receiver has forgotten it,
and days add up to what the receiver has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from farebox.channels.usage.usage_event import EventAnswer, UsageEvent
from farebox.channels.usage.usage_settings import UsageSettings
from farebox.control.schema import usage_day as day_table
from farebox.control.schema import usage_event as event_table
from farebox.control.schema import usage_progress as progress_table

KEPT_DAYS = 90
"""Single events, once the receiver has them; days are kept for ever."""
WORDS_MAX = 300
DAY_NS = 86_400 * 10**9
_HAS_IT = ("taken", "duplicate")


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an export has followed the record."""

    seq: int
    event_id: str
    at: int


class MadeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event as it is kept."""

    export: str
    customer: str
    event: UsageEvent
    state: str = "waiting"
    first_seq: int
    last_seq: int
    message: str | None = None
    words: str | None = None


class UsageFigures(msgspec.Struct, kw_only=True):
    """How the events of an export are doing."""

    held: int = 0
    """Of customers that the receiver has no name for."""
    waiting: int = 0
    taken: int = 0
    duplicate: int = 0
    """The receiver said that it had them."""
    refused: int = 0
    in_doubt: int = 0
    """They may have arrived, and the receiver no longer knows ids."""


def progress(connection: Connection, export: str) -> Progress | None:
    """Return how far an export is, None where it has not begun."""
    row = connection.execute(select(progress_table).where(progress_table.c.export == export)).first()
    return None if row is None else Progress(seq=row.seq, event_id=row.event_id, at=row.at)


def advance(connection: Connection, export: str, to: Progress) -> None:
    """Note how far an export is."""
    values = msgspec.structs.asdict(to)
    there = update(progress_table).where(progress_table.c.export == export).values(values)
    if connection.execute(there).rowcount == 0:
        connection.execute(insert(progress_table).values(export=export, began_after=to.seq, **values))


def beginning(connection: Connection, export: str) -> int:
    """Return the row behind which an export began."""
    asked = select(progress_table.c.began_after).where(progress_table.c.export == export)
    return connection.execute(asked).scalar() or 0


def put(connection: Connection, made: Iterable[MadeEvent], now_ns: int) -> None:
    """Keep new events."""
    rows: list[dict[str, Any]] = [
        {
            "export": each.export,
            "id": each.event.id,
            "state": each.state,
            "customer": each.customer,
            "day": each.event.from_ns // DAY_NS,
            "first_seq": each.first_seq,
            "last_seq": each.last_seq,
            "body": msgspec.json.encode(each.event).decode(),
            "message": each.message,
            "made_at": now_ns,
        }
        for each in made
    ]
    if rows:
        connection.execute(insert(event_table), rows)


def known_ids(connection: Connection, export: str, first_seq: int) -> set[str]:
    """Return the ids of events that were made of rows from one on: an older cursor would make them again."""
    asked = select(event_table.c.id).where(
        event_table.c.export == export, event_table.c.first_seq >= first_seq
    )
    return set(connection.execute(asked).scalars())


def again(connection: Connection, export: str, made: Sequence[MadeEvent]) -> None:
    """Note that events are on their way again, with what they say now."""
    for each in made:
        connection.execute(
            update(event_table)
            .where(event_table.c.export == export, event_table.c.id == each.event.id)
            .values(
                state=each.state,
                message=each.message,
                body=msgspec.json.encode(each.event).decode(),
                words=None,
                answered_at=None,
            )
        )


def answered(connection: Connection, export: str, answers: Sequence[EventAnswer], now_ns: int) -> None:
    """Write how events were answered. What the receiver has is added to its days once."""
    for each in answers:
        this = (event_table.c.export == export, event_table.c.id == each.id)
        written = connection.execute(
            update(event_table)
            .where(*this, event_table.c.state.not_in(_HAS_IT))
            .values(state=each.state, answered_at=now_ns, words=each.words[:WORDS_MAX] or None)
        )
        if written.rowcount and each.state in _HAS_IT:
            row = connection.execute(select(event_table).where(*this)).one()
            sums = msgspec.json.decode(row.body, type=UsageEvent).sums
            for quantity, value in sums.items():
                _add(connection, export, row.day, row.customer, quantity, value)


def _add(connection: Connection, export: str, day: int, customer: str, quantity: str, value: int) -> None:
    there = update(day_table).where(
        day_table.c.export == export,
        day_table.c.day == day,
        day_table.c.customer == customer,
        day_table.c.quantity == quantity,
    )
    more = there.values(value=day_table.c.value + value, events=day_table.c.events + 1)
    if connection.execute(more).rowcount == 0:
        row = {"export": export, "day": day, "customer": customer, "quantity": quantity}
        connection.execute(insert(day_table).values(**row, value=value, events=1))


def days(connection: Connection, export: str) -> dict[tuple[int, str, str], int]:
    """Return what a receiver has, by day, customer and quantity."""
    rows = connection.execute(select(day_table).where(day_table.c.export == export))
    return {(row.day, row.customer, row.quantity): row.value for row in rows}


def figures(connection: Connection) -> dict[str, UsageFigures]:
    """Return how the events of every export are doing."""
    asked = select(event_table.c.export, event_table.c.state, func.count()).group_by(
        event_table.c.export, event_table.c.state
    )
    found: dict[str, UsageFigures] = {}
    for export, state, number in connection.execute(asked):
        setattr(found.setdefault(export, UsageFigures()), state, number)
    return found


def in_states(
    connection: Connection, export: str, states: Sequence[str], limit: int | None = None
) -> list[MadeEvent]:
    """Return events in these states, in the order in which they were made."""
    asked = (
        select(event_table)
        .where(event_table.c.export == export, event_table.c.state.in_(states))
        .order_by(event_table.c.first_seq, event_table.c.id)
        .limit(limit)
    )
    return [
        MadeEvent(
            export=row.export,
            customer=row.customer,
            event=msgspec.json.decode(row.body, type=UsageEvent),
            state=row.state,
            first_seq=row.first_seq,
            last_seq=row.last_seq,
            message=row.message,
            words=row.words,
        )
        for row in connection.execute(asked)
    ]


def held_customers(connection: Connection, export: str, said: UsageSettings) -> list[str]:
    """Return customers whose events wait for a name and have one now."""
    asked = (
        select(event_table.c.customer)
        .where(event_table.c.export == export, event_table.c.state == "held")
        .distinct()
    )
    return [each for each in connection.execute(asked).scalars() if said.account(each)]


def prune(connection: Connection, now_ns: int) -> int:
    """Remove events that their receivers have had for so long that nobody knows ids any more."""
    aged = event_table.c.made_at < now_ns - KEPT_DAYS * DAY_NS
    return connection.execute(delete(event_table).where(aged, event_table.c.state.in_(_HAS_IT))).rowcount
