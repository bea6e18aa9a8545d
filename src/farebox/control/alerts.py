"""Alerts and snoozes that commands and the API set; what the ledger process wrote of all of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, delete, insert, or_, select, update

from farebox.alerts.alert import Alert, Snooze
from farebox.alerts.event import AlertEvent, State
from farebox.alerts.references import Known
from farebox.budgets.budget import COMMAND
from farebox.control import budgets, customers
from farebox.control.outbox import receivers
from farebox.control.schema import alert as alert_table
from farebox.control.schema import alert_event as event_table
from farebox.control.schema import alert_snooze as snooze_table
from farebox.control.schema import alert_state as state_table
from farebox.control.schema import wallet as wallet_table

LISTED = 50


class KeptState(msgspec.Struct, frozen=True, kw_only=True):
    """How one threshold of one alert is doing. Moments are nanoseconds since 1970."""

    alert: str
    value: str
    threshold: int
    window_start: int
    state: State
    since: int
    event: str


class KeptEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event, and which channels were told."""

    event: AlertEvent
    told: tuple[str, ...]


def alerts(connection: Connection) -> dict[str, Alert]:
    """Return the alerts that were set by command, by name."""
    rows = connection.execute(select(alert_table).order_by(alert_table.c.name))
    return {row.name: msgspec.json.decode(row.definition, type=Alert) for row in rows}


def put(connection: Connection, said: Alert, now_ns: int) -> Alert | None:
    """Set an alert and return the one of its name that was there before."""
    before = alerts(connection).get(said.name)
    values = {"definition": msgspec.json.encode(said, order="sorted").decode(), "changed_at": now_ns}
    there = update(alert_table).where(alert_table.c.name == said.name).values(values)
    if connection.execute(there).rowcount == 0:
        connection.execute(insert(alert_table).values(name=said.name, **values))
    return before


def remove(connection: Connection, name: str) -> bool:
    """Take an alert away, with its snoozes; its history stays. Return whether it was there."""
    connection.execute(delete(snooze_table).where(snooze_table.c.alert == name))
    return connection.execute(delete(alert_table).where(alert_table.c.name == name)).rowcount > 0


def snoozes(connection: Connection) -> list[Snooze]:
    """Return the snoozes, by alert and value; ended ones, too, until something is changed."""
    rows = connection.execute(select(snooze_table).order_by(snooze_table.c.alert, snooze_table.c.value))
    return [
        Snooze(
            alert=row.alert,
            value=row.value,
            since_ns=row.since,
            until_ns=row.until,
            by=row.actor,
            reason=row.reason,
        )
        for row in rows
    ]


def snooze(connection: Connection, said: Snooze, now_ns: int) -> None:
    """Tell nobody of an alert for a time, instead of an earlier snooze of it; ended ones are removed."""
    connection.execute(delete(snooze_table).where(snooze_table.c.until <= now_ns))
    _delete_snooze(connection, said.alert, said.value)
    connection.execute(
        insert(snooze_table).values(
            alert=said.alert,
            value=said.value,
            since=said.since_ns,
            until=said.until_ns,
            actor=said.by,
            reason=said.reason,
        )
    )


def unsnooze(connection: Connection, name: str, value: str | None = None) -> int:
    """Tell of an alert again, of one value or of all; return how many snoozes that ends."""
    return _delete_snooze(connection, name, value)


def _delete_snooze(connection: Connection, name: str, value: str | None) -> int:
    chosen = delete(snooze_table).where(snooze_table.c.alert == name)
    if value is not None:
        chosen = chosen.where(snooze_table.c.value == value)
    return connection.execute(chosen).rowcount


def states(connection: Connection, of: Collection[str] | None = None) -> list[KeptState]:
    """Return how thresholds are doing, the newest first, of some alerts or of all."""
    asked = select(state_table).order_by(state_table.c.since.desc(), state_table.c.alert)
    if of is not None:
        asked = asked.where(state_table.c.alert.in_(of))
    return [
        KeptState(
            alert=row.alert,
            value=row.value,
            threshold=row.threshold,
            window_start=row.window_start,
            state=row.state,
            since=row.since,
            event=row.event,
        )
        for row in connection.execute(asked)
    ]


def events(
    connection: Connection,
    *,
    alert: str | None = None,
    state: State | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    limit: int | None = LISTED,
    after: tuple[int, str] | None = None,
) -> list[KeptEvent]:
    """Return events, the newest first, those that follow the one of this moment and id."""
    asked = select(event_table).order_by(event_table.c.at.desc(), event_table.c.id)
    if alert is not None:
        asked = asked.where(event_table.c.alert == alert)
    if state is not None:
        asked = asked.where(event_table.c.state == state)
    if since_ns is not None:
        asked = asked.where(event_table.c.at >= since_ns)
    if until_ns is not None:
        asked = asked.where(event_table.c.at < until_ns)
    if after is not None:
        at, id = after
        later = and_(event_table.c.at == at, event_table.c.id > id)
        asked = asked.where(or_(event_table.c.at < at, later))
    return [_event(row) for row in connection.execute(asked.limit(limit))]


def event_with(connection: Connection, id: str) -> KeptEvent | None:
    """Return one event."""
    row = connection.execute(select(event_table).where(event_table.c.id == id)).first()
    return None if row is None else _event(row)


def known(connection: Connection, *, file_too: bool = False) -> Known:
    """Return what commands have set that alerts can name; `file_too`: channels and customers of the home's
    file as they were published last, too."""
    with_wallets = connection.execute(select(wallet_table.c.customer)).scalars()
    there = customers.customers(connection).items()
    return Known(
        channels=frozenset(
            each.name
            for each in receivers.receivers(connection)
            if (each.commanded or file_too) and each.settings.usage is None
        ),
        budgets={each.name: each.mode for each in budgets.budgets(connection).values()},
        customers=frozenset(
            (*with_wallets, *(name for name, each in there if file_too or each.origin == COMMAND))
        ),
    )


def _event(row: Any) -> KeptEvent:
    return KeptEvent(
        event=msgspec.json.decode(row.body, type=AlertEvent),
        told=tuple(msgspec.json.decode(row.channels_told, type=list[str])),
    )
