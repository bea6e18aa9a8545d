"""Send again what a receiver refused, and settle what is in doubt: by whoever can look there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select

from farebox.channels.usage.usage_event import EventAnswer
from farebox.channels.usage.usage_settings import UsageSettings
from farebox.control import usage_events
from farebox.control.schema import outbox_delivery as delivery
from farebox.control.usage_events import MadeEvent
from farebox.exports.following import enqueued, renewed

if TYPE_CHECKING:
    from sqlalchemy import Connection


def replay(connection: Connection, name: str, said: UsageSettings, now_ns: int) -> int:
    """Send refused events again, and those whose message was cancelled, under the names in force now.

    An event that the receiver has, or may have, is not sent again. Returns how many are on their way.
    """
    refused = usage_events.in_states(connection, name, ("refused",))
    waiting = usage_events.in_states(connection, name, ("waiting",))
    on_the_way = set(
        connection.execute(
            select(delivery.c.message).where(delivery.c.receiver == name, delivery.c.state == "pending")
        ).scalars()
    )
    lost = [each for each in waiting if each.message not in on_the_way]
    return _send(connection, name, said, [*refused, *lost], now_ns)


def settle(
    connection: Connection, name: str, said: UsageSettings, *, received: bool, ids: Sequence[str], now_ns: int
) -> int:
    """Say what became of events in doubt: the receiver has them, or it has not and they are sent.

    Without ids, of all of them. Returns of how many.
    """
    doubted = usage_events.in_states(connection, name, ("in_doubt",))
    chosen = [each for each in doubted if not ids or each.event.id in ids]
    if received:
        answers = [EventAnswer(id=each.event.id, state="taken") for each in chosen]
        usage_events.answered(connection, name, answers, now_ns)
        return len(chosen)
    return _send(connection, name, said, chosen, now_ns)


def _send(
    connection: Connection, name: str, said: UsageSettings, made: Sequence[MadeEvent], now_ns: int
) -> int:
    ready = [renewed(each, said) for each in made]
    usage_events.again(connection, name, enqueued(connection, name, said, ready, now_ns))
    return sum(each.state == "waiting" for each in ready)
