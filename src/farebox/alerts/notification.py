"""Who is told of events, and in how many messages.

A channel's first news goes at once. What follows within a minute is held and goes as one message, so that a
storm is one message. All of it happens in the transaction of `control.db` in which the ledger writes the
events themselves: what is committed is told, once, whatever ends when.

`notify` is handed events whose rows are in `alert_event`, inserted with `channels_told` empty. What a channel
was told, or will be, it is not told again, so that an event that is evaluated again after a crash does no
harm. Nobody is told of what is snoozed: such an event is not handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import msgspec

from farebox.alerts.alert import Severity
from farebox.alerts.event import AlertEvent
from farebox.alerts.event_words import (
    BASIS_MAX,
    TITLE_MAX,
    exact,
    exact_unit,
    shown_value,
    shown_where,
    words,
)
from farebox.channels.news import FIRED, RECOVERED, AlertItem, AlertNews
from farebox.clock import iso
from farebox.control.outbox.enqueue_sql import Connection, enqueue
from farebox.control.outbox.envelope import (
    PAYLOAD_BYTES_MAX,
    Envelope,
    ReceiverSettings,
    envelope,
    settings,
    wants,
)
from farebox.plain_text import line

HELD_S = 60
LISTED_MAX = 20
CAUSE = "an alert"

_HELD_NS = HELD_S * 10**9
_EXPLAINED_BYTES = 16 << 10
"""What an explanation may add to a message."""
_SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")


def notify(connection: Connection, events: Sequence[AlertEvent], now_ns: int) -> None:
    """Enqueue what can be told at once, and hold what follows other news closely."""
    if not events:
        return
    known = _receivers(connection)
    by_channel: dict[str, list[AlertEvent]] = {}
    for event in events:
        told = _told(connection, event.id)
        for channel in _channels(event, known):
            if channel not in told:
                by_channel.setdefault(channel, []).append(event)
    for channel, found in by_channel.items():
        due_ns = _due_ns(connection, channel, now_ns)
        if due_ns is None:
            _send(connection, channel, known[channel], found, now_ns)
            continue
        for event in found:
            connection.execute(
                "INSERT INTO alert_held (channel, event, due_at) VALUES (?, ?, ?)",
                (channel, event.id, due_ns),
            )


def flush(connection: Connection, now_ns: int) -> int | None:
    """Enqueue what was held long enough; return when the next of it is due, None where nothing is held.

    A clock that was put back keeps nobody waiting: what is due later than it can be is due now.
    """
    due = "SELECT DISTINCT channel FROM alert_held WHERE due_at <= ? OR due_at > ? ORDER BY channel"
    channels = [str(channel) for (channel,) in connection.execute(due, (now_ns, now_ns + _HELD_NS))]
    known = _receivers(connection) if channels else {}
    for channel in channels:
        held = "SELECT body FROM alert_held JOIN alert_event ON id = event WHERE channel = ? ORDER BY at, id"
        found = [
            msgspec.json.decode(body, type=AlertEvent) for (body,) in connection.execute(held, (channel,))
        ]
        connection.execute("DELETE FROM alert_held WHERE channel = ?", (channel,))
        if channel in known and found:  # one that was removed is told nothing
            _send(connection, channel, known[channel], found, now_ns)
    for (next_ns,) in connection.execute("SELECT min(due_at) FROM alert_held"):
        return None if next_ns is None else int(next_ns)
    return None


def _receivers(connection: Connection) -> dict[str, ReceiverSettings]:
    rows = connection.execute("SELECT name, configured, commanded FROM outbox_receiver ORDER BY name")
    found = ((str(name), settings(configured, commanded)) for name, configured, commanded in rows)
    return {name: said for name, said in found if said is not None}


def _channels(event: AlertEvent, known: dict[str, ReceiverSettings]) -> list[str]:
    """Return whom an event goes to: the channels it names, and who subscribed to such messages."""
    kind = FIRED if event.state == "firing" else RECOVERED
    return [name for name, said in known.items() if name in event.to or wants(said.kinds, kind)]


def _told(connection: Connection, event: str) -> set[str]:
    """Return which channels know of an event, or will."""
    told: set[str] = set()
    for (names,) in connection.execute("SELECT channels_told FROM alert_event WHERE id = ?", (event,)):
        told.update(msgspec.json.decode(names, type=list[str]))
    rows = connection.execute("SELECT channel FROM alert_held WHERE event = ?", (event,))
    return told | {str(channel) for (channel,) in rows}


def _due_ns(connection: Connection, channel: str, now_ns: int) -> int | None:
    """Return until when a channel's news is held, None where it goes at once."""
    for (due_ns,) in connection.execute("SELECT min(due_at) FROM alert_held WHERE channel = ?", (channel,)):
        if due_ns is not None:
            return int(due_ns)
    last = (
        "SELECT created_at FROM outbox_delivery JOIN outbox_message ON id = message "
        "WHERE receiver = ? AND kind IN (?, ?) ORDER BY position DESC LIMIT 1"
    )
    for (created_at,) in connection.execute(last, (channel, FIRED, RECOVERED)):
        if abs(now_ns - int(created_at)) < _HELD_NS:
            return min(int(created_at), now_ns) + _HELD_NS
    return None


def _send(
    connection: Connection,
    channel: str,
    said: ReceiverSettings,
    events: Sequence[AlertEvent],
    now_ns: int,
) -> None:
    """Enqueue one message about events, and note that the channel is told of them."""
    if said.form == "pagerduty":  # each is an incident of its own there, and none is left out
        groups = [events[start : start + LISTED_MAX] for start in range(0, len(events), LISTED_MAX)]
    else:
        groups = [sorted(events, key=lambda each: (_SEVERITIES.index(each.severity), each.state))]
    for group in groups:
        enqueue(connection, _message(channel, group, now_ns), only=channel)
    for event in events:
        told = _told(connection, event.id) | {channel}
        connection.execute(
            "UPDATE alert_event SET channels_told = ? WHERE id = ?",
            (msgspec.json.encode(sorted(told)).decode(), event.id),
        )


def _message(channel: str, events: Sequence[AlertEvent], now_ns: int) -> Envelope:
    digest = sha256("\n".join([channel, *sorted(each.id for each in events)]).encode()).hexdigest()
    items = [item_of(each) for each in events[:LISTED_MAX]]
    while True:
        news = AlertNews(
            title=_title(events, items[0].title),
            severity=items[0].severity if len(events) == 1 else _worst(events),
            count=len(events),
            left_out=len(events) - len(items),
            alerts=tuple(items),
        )
        size = len(msgspec.json.encode(news))
        if size <= PAYLOAD_BYTES_MAX - _EXPLAINED_BYTES or len(items) == 1:
            break
        items.pop()
    return envelope(
        FIRED if any(each.state == "firing" for each in events) else RECOVERED,
        msgspec.to_builtins(news),
        now_ns,
        cause=CAUSE,
        dedupe_key=f"alert:{channel}:{digest[:40]}",
        occurred_ns=max(each.at_ns for each in events),
    )


def _worst(events: Sequence[AlertEvent]) -> Severity:
    return next(each for each in _SEVERITIES if any(event.severity == each for event in events))


def _title(events: Sequence[AlertEvent], first: str) -> str:
    if len(events) == 1:
        return first
    firing = sum(each.state == "firing" for each in events)
    recovered = len(events) - firing
    counts = [f"{firing:,} alerts" if firing != 1 else "1 alert"] if firing else []
    if recovered:
        counts.append(f"{recovered:,} recovered" if firing else f"{recovered:,} alerts recovered")
    return line(f"{', '.join(counts)}: {first}", TITLE_MAX)


def item_of(event: AlertEvent) -> AlertItem:
    """Return what a message says of an event, before it is explained."""
    about = f"{event.alert}\n{event.value or ''}\n{event.threshold}"
    return AlertItem(
        id=event.id,
        alert=event.alert,
        kind=event.kind,
        severity=event.severity,
        state=event.state,
        title=line(words(event), TITLE_MAX),
        since=iso(event.since_ns),
        at=iso(event.at_ns),
        value=None if event.value is None else shown_value(event),
        threshold=exact(event.threshold, event.unit),
        measured=exact(event.measured, event.unit),
        unit=exact_unit(event),
        at_least=event.is_at_least,
        basis=line(event.basis, BASIS_MAX),
        where=shown_where(event),
        condition=sha256(about.encode()).hexdigest()[:32],
    )
