"""Receivers of messages: named in the home's `farebox.yaml` or by command; the file goes first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from farebox.control.outbox import messages
from farebox.control.outbox.envelope import ReceiverSettings, settings
from farebox.control.schema import outbox_receiver as receiver
from farebox.errors import UsageError


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """One receiver as it is in force."""

    name: str
    settings: ReceiverSettings
    configured: bool
    """The home's `farebox.yaml` says it; what a command said waits behind it."""
    commanded: bool
    state: str
    reason: str | None
    """Why it was stopped."""


def receivers(connection: Connection) -> list[Receiver]:
    """Return every receiver, by name."""
    rows = connection.execute(select(receiver).order_by(receiver.c.name))
    return [found for row in rows if (found := _receiver(row)) is not None]


def receiver_named(connection: Connection, name: str) -> Receiver:
    """Return one receiver.

    Raises:
        UsageError: There is none of that name.
    """
    row = connection.execute(select(receiver).where(receiver.c.name == name)).first()
    found = _receiver(row) if row is not None else None
    if found is None:
        names = ", ".join(each.name for each in receivers(connection))
        others = f"there are: {names}" if names else "none is named"
        raise UsageError(f"there is no receiver {name!r}; {others}")
    return found


def add(connection: Connection, name: str, said: ReceiverSettings, now_ns: int) -> Receiver:
    """Add a receiver by command, or change it; one that was stopped is active again."""
    _put(connection, name, now_ns, commanded=_text(said), state="active", reason=None)
    return receiver_named(connection, name)


def remove(connection: Connection, name: str) -> bool:
    """Take away what a command said; return whether the receiver is gone, and not still in the file."""
    found = receiver_named(connection, name)
    if not found.commanded:
        return False
    connection.execute(update(receiver).where(receiver.c.name == name).values(commanded=None))
    if not found.configured:
        messages.cancel(connection, of=name)
    return not found.configured


def resume(connection: Connection, name: str) -> Receiver:
    """Send to a stopped receiver again, what waits for it first."""
    receiver_named(connection, name)
    connection.execute(update(receiver).where(receiver.c.name == name).values(state="active", reason=None))
    return receiver_named(connection, name)


def stop(connection: Connection, name: str, reason: str) -> None:
    """Send nothing to a receiver until somebody resumes it."""
    connection.execute(update(receiver).where(receiver.c.name == name).values(state="stopped", reason=reason))


def configure(connection: Connection, said: Mapping[str, ReceiverSettings], now_ns: int) -> bool:
    """Take over what the home's `farebox.yaml` says now; return whether anything changed."""
    known = {row.name: row.configured for row in connection.execute(select(receiver))}
    wanted = {name: _text(each) for name, each in said.items()}
    changed = False
    for name, text in wanted.items():
        if known.get(name) != text:
            changed = True
            _put(connection, name, now_ns, configured=text, state="active", reason=None)
    for name in [name for name, text in known.items() if text is not None and name not in wanted]:
        changed = True
        connection.execute(update(receiver).where(receiver.c.name == name).values(configured=None))
        if not any(each.name == name for each in receivers(connection)):
            messages.cancel(connection, of=name)
    return changed


def _put(connection: Connection, name: str, now_ns: int, **values: Any) -> None:
    there = update(receiver).where(receiver.c.name == name).values(values)
    if connection.execute(there).rowcount == 0:
        row = {"name": name, "created_at": now_ns, "last_position": 0, **values}
        connection.execute(insert(receiver).values(row))


def _text(said: ReceiverSettings) -> str:
    return msgspec.json.encode(said).decode()


def _receiver(row: Any) -> Receiver | None:
    said = settings(row.configured, row.commanded)
    if said is None:
        return None
    return Receiver(
        name=row.name,
        settings=said,
        configured=row.configured is not None,
        commanded=row.commanded is not None,
        state=row.state,
        reason=row.reason,
    )
