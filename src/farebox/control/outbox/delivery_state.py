"""What one delivery worker reads and writes: what is due, and how an attempt ended."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, and_, func, or_, select, update

from farebox.channels.usage.usage_event import EventAnswer
from farebox.clock import iso
from farebox.control import usage_events
from farebox.control.outbox import receivers
from farebox.control.outbox.envelope import ReceiverSettings, settings
from farebox.control.outbox.retry_schedule import next_delay_s
from farebox.control.schema import outbox_delivery as delivery
from farebox.control.schema import outbox_message as message
from farebox.control.schema import outbox_receiver as receiver

ERROR_CHARACTERS_MAX = 300
USAGE_DELAY_MAX_S = 3_600.0
"""However long a receiver of usage is down: it is billed by what it is told."""


class Head(NamedTuple):
    """The oldest message that waits for one receiver: later ones wait for it."""

    message: str
    kind: str
    payload: str
    receiver: str
    settings: ReceiverSettings
    attempts: int
    """How many have failed."""
    due_ns: int
    unsure_at: int | None = None
    """Of usage: when it was first sent without a response that says what became of it."""


class Outcome(NamedTuple):
    """How one attempt ended."""

    delivered: bool
    words: str = ""
    """What went wrong, for people; nothing of a secret, of a URL, or much of a response."""
    gone: bool = False
    """The receiver wants nothing any more (410)."""
    retry_after: str | None = None
    is_permanent: bool = False
    """This message would be refused again: it is given up at once."""
    answers: tuple[EventAnswer, ...] = ()
    """Of usage: how each event was answered that was."""
    is_unsure: bool = False
    """Of usage: some of it may have arrived."""


def heads(connection: Connection, of: str | None = None) -> list[Head]:
    """Return the head of every active receiver's queue, or of one's, whether it is due or not."""
    first = (
        select(delivery.c.receiver, func.min(delivery.c.position).label("position"))
        .where(delivery.c.state == "pending")
        .group_by(delivery.c.receiver)
    )
    if of is not None:
        first = first.where(delivery.c.receiver == of)
    chosen = first.subquery()
    asked = (
        select(delivery, message.c.kind, message.c.payload, receiver.c.configured, receiver.c.commanded)
        .join(
            chosen,
            and_(delivery.c.receiver == chosen.c.receiver, delivery.c.position == chosen.c.position),
        )
        .join(message, delivery.c.message == message.c.id)
        .join(receiver, delivery.c.receiver == receiver.c.name)
        .where(
            receiver.c.state == "active",
            or_(receiver.c.configured.is_not(None), receiver.c.commanded.is_not(None)),
        )
    )
    found: list[Head] = []
    for row in connection.execute(asked):
        said = settings(row.configured, row.commanded)
        assert said is not None, "the query leaves removed receivers out"  # noqa: S101 - states an invariant
        found.append(
            Head(
                row.message,
                row.kind,
                row.payload,
                row.receiver,
                said,
                row.attempts,
                row.next_attempt_at or 0,
                row.unsure_at,
            )
        )
    return found


def record(connection: Connection, head: Head, outcome: Outcome, now_ns: int, chance: float) -> str:
    """Write how an attempt ended; return the state of the delivery now.

    A failure changes nothing where the message was cancelled or set to be retried while it was on its way. A
    delivery is true whatever was said meanwhile.
    """
    attempts = head.attempts + 1
    values: dict[str, object] = {"attempts": attempts, "next_attempt_at": None}
    if outcome.delivered:
        values |= {"state": "delivered", "delivered_at": now_ns, "last_error": None}
    else:
        values |= {"last_error": outcome.words[:ERROR_CHARACTERS_MAX]}
        delay = next_delay_s(attempts, outcome.retry_after, now_ns, chance)
        if head.settings.usage is not None and not outcome.is_permanent:
            delay = min(delay or USAGE_DELAY_MAX_S, USAGE_DELAY_MAX_S)  # usage is not given up
            if outcome.is_unsure and head.unsure_at is None:
                values |= {"unsure_at": now_ns}
        if outcome.gone:
            receivers.stop(connection, head.receiver, f"it replied 410 Gone at {iso(now_ns)}")
        elif delay is None or outcome.is_permanent:
            values |= {"state": "dead"}
        else:
            values |= {"next_attempt_at": now_ns + int(delay * 10**9)}
    there = update(delivery).where(delivery.c.message == head.message, delivery.c.receiver == head.receiver)
    if not outcome.delivered:
        there = there.where(delivery.c.state == "pending", delivery.c.attempts == head.attempts)
    written = connection.execute(there.values(values))
    if outcome.answers:
        usage_events.answered(connection, head.receiver, outcome.answers, now_ns)
    return str(values.get("state", "pending")) if written.rowcount else "changed"
