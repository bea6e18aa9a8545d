"""Messages and their deliveries in `control.db`: enqueue, list, retry, cancel, remove old ones.

Everything here runs in the caller's transaction, so that a message is committed with what caused it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, delete, exists, func, insert, not_, or_, select, update

from farebox.control.id_beginnings import begins_with
from farebox.control.outbox.envelope import USAGE_KIND, Envelope, settings, wants
from farebox.control.schema import outbox_delivery as delivery
from farebox.control.schema import outbox_message as message
from farebox.control.schema import outbox_receiver as receiver
from farebox.errors import UsageError

LISTED = 50
DELIVERED_DAYS = 7
DEAD_DAYS = 30
_DAY_NS = 86_400 * 10**9


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message on its way to one receiver. Moments are nanoseconds since 1970."""

    id: str
    kind: str
    receiver: str
    position: int
    state: str
    attempts: int
    created_at: int
    next_attempt_at: int | None
    delivered_at: int | None
    last_error: str | None


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One message with everything that is known of it."""

    id: str
    kind: str
    dedupe_key: str | None
    payload: msgspec.Raw
    created_at: int
    cause: str
    deliveries: tuple[Delivery, ...]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How the outbox is doing."""

    pending: int = 0
    dead: int = 0
    stopped: dict[str, str] = {}
    """Receivers that nothing is sent to, by name, each with the reason."""


def enqueue(connection: Connection, sent: Envelope, *, only: str | None = None) -> str | None:
    """Store a message and a delivery for each receiver that wants it, or for one receiver `only`.

    Returns the message's id: of the first one, where its dedupe key was used before. None where nobody
    wants it; then nothing is stored.
    """
    if sent.dedupe_key is not None:
        key = message.c.dedupe_key == sent.dedupe_key
        known = connection.execute(select(message.c.id).where(key)).scalar()
        if known is not None:
            return known
    names = [
        row.name
        for row in connection.execute(select(receiver).order_by(receiver.c.name))
        if (said := settings(row.configured, row.commanded)) is not None
        and (wants(said.kinds, sent.kind) if only is None else row.name == only)
    ]
    if not names:
        return None
    connection.execute(insert(message).values(msgspec.structs.asdict(sent)))
    for name in names:
        this = receiver.c.name == name
        connection.execute(update(receiver).where(this).values(last_position=receiver.c.last_position + 1))
        position = connection.execute(select(receiver.c.last_position).where(this)).scalar_one()
        connection.execute(
            insert(delivery).values(
                message=sent.id, receiver=name, position=position, state="pending", attempts=0
            )
        )
    return sent.id


def put_payload(connection: Connection, id: str, payload: str, *, before: str) -> bool:
    """Complete a message that was never sent; return False where it is another one than it was `before`.

    What was erased from it meanwhile does not come back.
    """
    same = update(message).where(message.c.id == id, message.c.payload == before)
    return connection.execute(same.values(payload=payload)).rowcount > 0


def deliveries(
    connection: Connection,
    *,
    states: Sequence[str] = (),
    of: str | None = None,
    limit: int | None = LISTED,
    after: tuple[int, int, str] | None = None,
) -> list[Delivery]:
    """Return deliveries, the newest first: in these states, of one receiver, those that follow the one with
    this `created_at`, position and receiver.
    """
    created, position = message.c.created_at, delivery.c.position
    asked = _JOINED.order_by(created.desc(), position.desc(), delivery.c.receiver)
    if after is not None:
        at, number, name = after
        later = or_(position < number, and_(position == number, delivery.c.receiver > name))
        asked = asked.where(or_(created < at, and_(created == at, later)))
    if states:
        asked = asked.where(delivery.c.state.in_(states))
    if of is not None:
        asked = asked.where(delivery.c.receiver == of)
    return [_delivery(row) for row in connection.execute(asked.limit(limit))]


def stored(connection: Connection, prefix: str) -> Stored:
    """Return the message whose id begins with `prefix`.

    Raises:
        UsageError: None does, or several do.
    """
    begins = begins_with(message.c.id, prefix)
    rows = connection.execute(select(message).where(begins).limit(2)).all()
    if len(rows) != 1:
        raise UsageError(f"{'several messages have' if rows else 'no message has'} an id with {prefix!r}")
    row = rows[0]
    of = connection.execute(_JOINED.where(message.c.id == row.id).order_by(delivery.c.receiver))
    return Stored(
        id=row.id,
        kind=row.kind,
        dedupe_key=row.dedupe_key,
        payload=msgspec.Raw(row.payload.encode()),
        created_at=row.created_at,
        cause=row.cause,
        deliveries=tuple(map(_delivery, of)),
    )


def retry(connection: Connection, id: str | None, of: str | None = None) -> int:
    """Send what is dead, cancelled or waiting again, now and with all attempts; return how many.

    Without an id, everything that is dead. It keeps its place: it goes before newer messages.
    """
    states = ("dead",) if id is None else ("dead", "cancelled", "pending")
    chosen = update(delivery).where(delivery.c.state.in_(states))
    if id is not None:
        chosen = chosen.where(delivery.c.message == id)
    if of is not None:
        chosen = chosen.where(delivery.c.receiver == of)
    values = {"state": "pending", "attempts": 0, "next_attempt_at": None}
    return connection.execute(chosen.values(values)).rowcount


def cancel(connection: Connection, *, id: str | None = None, of: str | None = None) -> int:
    """Give up what is waiting or dead, of one message or one receiver; return how many."""
    chosen = update(delivery).where(delivery.c.state.in_(("pending", "dead")))
    if id is not None:
        chosen = chosen.where(delivery.c.message == id)
    if of is not None:
        chosen = chosen.where(delivery.c.receiver == of)
    return connection.execute(chosen.values(state="cancelled", next_attempt_at=None)).rowcount


def figures(connection: Connection) -> Figures:
    """Return what waits, what was given up, and which receivers are stopped."""
    counts = select(delivery.c.state, func.count()).group_by(delivery.c.state)
    by_state: dict[str, int] = {row[0]: row[1] for row in connection.execute(counts)}
    stopped = select(receiver.c.name, receiver.c.reason).where(
        receiver.c.state == "stopped",
        or_(receiver.c.configured.is_not(None), receiver.c.commanded.is_not(None)),
    )
    return Figures(
        pending=by_state.get("pending", 0),
        dead=by_state.get("dead", 0),
        stopped={row.name: row.reason or "" for row in connection.execute(stopped.order_by(receiver.c.name))},
    )


def prune(connection: Connection, now_ns: int) -> int:
    """Remove messages that are done with: delivered or cancelled for a week, dead for a month.

    What waits for a stopped receiver for a month is given up first.
    """
    a_week, a_month = now_ns - DELIVERED_DAYS * _DAY_NS, now_ns - DEAD_DAYS * _DAY_NS
    of_this = delivery.c.message == message.c.id
    aged = select(message.c.id).where(
        message.c.created_at < a_month,
        message.c.kind != USAGE_KIND,  # a paused export goes on where it was
    )
    connection.execute(
        update(delivery)
        .where(
            delivery.c.state == "pending",
            delivery.c.message.in_(aged),
            delivery.c.receiver.in_(select(receiver.c.name).where(receiver.c.state == "stopped")),
        )
        .values(state="dead", next_attempt_at=None)
    )
    waits = exists().where(and_(of_this, delivery.c.state == "pending"))
    dead = exists().where(and_(of_this, delivery.c.state == "dead"))
    done = [
        row.id
        for row in connection.execute(
            select(message.c.id)
            .where(
                message.c.created_at < a_week, not_(waits), or_(message.c.created_at < a_month, not_(dead))
            )
            .limit(_PRUNED_AT_ONCE)
        )
    ]
    connection.execute(delete(delivery).where(delivery.c.message.in_(done)))
    connection.execute(delete(message).where(message.c.id.in_(done)))
    return len(done)


_PRUNED_AT_ONCE = 500
"""A transaction keeps others waiting; the rest is removed at the next look."""

_JOINED = select(delivery, message.c.kind, message.c.created_at).join(
    message, delivery.c.message == message.c.id
)


def _delivery(row: Any) -> Delivery:
    return Delivery(
        id=row.message,
        kind=row.kind,
        receiver=row.receiver,
        position=row.position,
        state=row.state,
        attempts=row.attempts,
        created_at=row.created_at,
        next_attempt_at=row.next_attempt_at,
        delivered_at=row.delivered_at,
        last_error=row.last_error,
    )
