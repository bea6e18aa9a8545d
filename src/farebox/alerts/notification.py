"""Who is told of events, and in how many messages.

A channel's first news goes at once. What follows within a minute is held and goes as one message, so that a
storm is one message. All of it happens in the transaction of `control.db` in which the ledger writes the
events themselves: what is committed is told, once, whatever ends when.

`notify` is handed events whose rows are in `alert_event`, inserted with `channels_told` empty. What a channel
was told, or will be, it is not told again, so that an event that is evaluated again after a crash does no
harm. A firing that is snoozed is not handed in: once its snooze is over, `tell_again` tells of it if it
still fires. A recovery is told to whom its firing was told, while it is snoozed too: no incident stays open,
and nobody hears the end of what he was never told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple

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

_PAGE = 1_000
_HELD = "SELECT body FROM alert_held JOIN alert_event e ON id = event WHERE channel = ?"
_COUNTED = (
    "SELECT count(*) FILTER (WHERE e.state = 'firing'), count(*) FILTER (WHERE e.state <> 'firing'), "
    "max(at), min(id), max(id) FROM alert_held JOIN alert_event e ON id = event WHERE channel = ?"
)
_TOLD_OF_HELD = (
    "UPDATE alert_event SET channels_told = json_insert(channels_told, '$[#]', ?) "
    "WHERE id IN (SELECT event FROM alert_held WHERE channel = ?) "
    "AND NOT EXISTS (SELECT 1 FROM json_each(channels_told) WHERE value = ?)"
)

_UNTOLD = (
    "SELECT body FROM alert_state s JOIN alert_event e ON e.id = s.event WHERE s.state = 'firing' "
    "AND e.channels_told = '[]' AND NOT EXISTS (SELECT 1 FROM alert_held WHERE event = e.id) ORDER BY at, id"
)


def notify(connection: Connection, events: Sequence[AlertEvent], now_ns: int) -> None:
    """Enqueue what can be told at once, and hold what follows other news closely."""
    if not events:
        return
    known = _receivers(connection)
    by_channel: dict[str, list[AlertEvent]] = {}
    for event in events:
        told = _told(connection, event.id)
        for channel in _channels(connection, event, known):
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


def tell_again(connection: Connection, is_snoozed: Callable[[AlertEvent], bool], now_ns: int) -> None:
    """Tell of what still fires and nobody was told of, unless it is snoozed now."""
    rows = connection.execute(_UNTOLD)
    untold = [msgspec.json.decode(body, type=AlertEvent) for (body,) in rows]
    notify(connection, [event for event in untold if not is_snoozed(event)], now_ns)


def flush(connection: Connection, now_ns: int) -> int | None:
    """Enqueue what was held long enough; return when the next of it is due, None where nothing is held.

    A clock that was put back keeps nobody waiting: what is due later than it can be is due now.
    """
    due = "SELECT DISTINCT channel FROM alert_held WHERE due_at <= ? OR due_at > ? ORDER BY channel"
    channels = [str(channel) for (channel,) in connection.execute(due, (now_ns, now_ns + _HELD_NS))]
    known = _receivers(connection) if channels else {}
    for channel in channels:
        if channel in known:  # one that was removed is told nothing
            _send_held(connection, channel, known[channel], now_ns)
        connection.execute("DELETE FROM alert_held WHERE channel = ?", (channel,))
    for (next_ns,) in connection.execute("SELECT min(due_at) FROM alert_held"):
        return None if next_ns is None else int(next_ns)
    return None


def _receivers(connection: Connection) -> dict[str, ReceiverSettings]:
    rows = connection.execute("SELECT name, configured, commanded FROM outbox_receiver ORDER BY name")
    found = ((str(name), settings(configured, commanded)) for name, configured, commanded in rows)
    return {name: said for name, said in found if said is not None}


def _channels(connection: Connection, event: AlertEvent, known: dict[str, ReceiverSettings]) -> list[str]:
    """Return whom an event goes to: the channels it names, and who subscribed to such messages.

    A recovery goes to those of them that were told of the firing, and to who wants recoveries alone.
    """
    if event.state == "firing":
        return [name for name, said in known.items() if name in event.to or wants(said.kinds, FIRED)]
    firing = _event(connection, event.ends)
    if firing is None:  # it was found by a version that did not say so, or is too old to be known
        return [name for name, said in known.items() if name in event.to or wants(said.kinds, RECOVERED)]
    told = _told(connection, firing.id)
    return [
        name
        for name, said in known.items()
        if (name in told and (name in (*firing.to, *event.to) or wants(said.kinds, RECOVERED)))
        or (wants(said.kinds, RECOVERED) and not wants(said.kinds, FIRED) and name not in firing.to)
    ]


def _event(connection: Connection, id: str) -> AlertEvent | None:
    for found in _events(connection, "SELECT body FROM alert_event WHERE id = ?", (id,)):
        return found
    return None


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


class _Group(NamedTuple):
    """What one message is about. Of a storm, only what is listed is in memory."""

    first: Sequence[AlertEvent]
    """Those to list, in order."""
    firing: int
    recovered: int
    severity: Severity
    last_ns: int
    key: str
    """Of which events it is made, in few words."""

    @property
    def total(self) -> int:
        return self.firing + self.recovered


def _send(
    connection: Connection,
    channel: str,
    said: ReceiverSettings,
    events: Sequence[AlertEvent],
    now_ns: int,
) -> None:
    """Enqueue one message about events, and note that the channel is told of them."""
    if said.form == "pagerduty":
        _send_each(connection, channel, events, now_ns)
    else:
        enqueue(connection, _message(channel, _group(events), now_ns)[0], only=channel)
    for event in events:
        told = _told(connection, event.id) | {channel}
        connection.execute(
            "UPDATE alert_event SET channels_told = ? WHERE id = ?",
            (msgspec.json.encode(sorted(told)).decode(), event.id),
        )


def _send_held(connection: Connection, channel: str, said: ReceiverSettings, now_ns: int) -> None:
    """Enqueue one message about everything that is held for a channel."""
    if said.form == "pagerduty":
        page = f"{_HELD} ORDER BY at, id LIMIT {_PAGE:d} OFFSET ?"
        start = 0
        while found := _events(connection, page, (channel, start)):
            _send_each(connection, channel, found, now_ns)
            start += len(found)
    else:
        rank = " ".join(f"WHEN '{each}' THEN {at}" for at, each in enumerate(_SEVERITIES))
        ordered = f"{_HELD} ORDER BY CASE body ->> '$.severity' {rank} END, e.state, at, id LIMIT ?"
        first = _events(connection, ordered, (channel, LISTED_MAX))
        for firing, recovered, last_ns, low, high in connection.execute(_COUNTED, (channel,)):
            if first:
                key = f"{low}\n{high}\n{firing + recovered}"
                group = _Group(first, firing, recovered, first[0].severity, last_ns, key)
                enqueue(connection, _message(channel, group, now_ns)[0], only=channel)
    connection.execute(_TOLD_OF_HELD, (channel, channel, channel))


def _events(connection: Connection, statement: str, bindings: tuple[object, ...]) -> list[AlertEvent]:
    rows = connection.execute(statement, bindings)
    return [msgspec.json.decode(body, type=AlertEvent) for (body,) in rows]


def _send_each(connection: Connection, channel: str, events: Sequence[AlertEvent], now_ns: int) -> None:
    """Enqueue messages that list all of the events: each is an incident of its own."""
    start = 0
    while start < len(events):
        sent, listed = _message(channel, _group(events[start : start + LISTED_MAX], in_order=True), now_ns)
        if listed < min(LISTED_MAX, len(events) - start):  # they are long: one that counts what it lists
            sent, listed = _message(channel, _group(events[start : start + listed], in_order=True), now_ns)
        enqueue(connection, sent, only=channel)
        start += listed


def _group(events: Sequence[AlertEvent], *, in_order: bool = False) -> _Group:
    """`in_order`: as they happened; what has recovered and fires again is not over."""
    ordered = sorted(events, key=lambda each: (_SEVERITIES.index(each.severity), each.state))
    firing = sum(each.state == "firing" for each in events)
    return _Group(
        first=(events if in_order else ordered)[:LISTED_MAX],
        firing=firing,
        recovered=len(events) - firing,
        severity=ordered[0].severity,
        last_ns=max(each.at_ns for each in events),
        key="\n".join(sorted(each.id for each in events)),
    )


def _message(channel: str, group: _Group, now_ns: int) -> tuple[Envelope, int]:
    """Return a message, and how many events it lists."""
    digest = sha256(f"{channel}\n{group.key}".encode()).hexdigest()
    items = [item_of(each) for each in group.first]
    while True:
        news = AlertNews(
            title=_title(group, items[0].title),
            severity=group.severity,
            count=group.total,
            left_out=group.total - len(items),
            alerts=tuple(items),
        )
        size = len(msgspec.json.encode(news))
        if size <= PAYLOAD_BYTES_MAX - _EXPLAINED_BYTES or len(items) == 1:
            break
        items.pop()
    sent = envelope(
        FIRED if group.firing else RECOVERED,
        msgspec.to_builtins(news),
        now_ns,
        cause=CAUSE,
        dedupe_key=f"alert:{channel}:{digest[:40]}",
        occurred_ns=group.last_ns,
    )
    return sent, len(items)


def _title(group: _Group, first: str) -> str:
    if group.total == 1:
        return first
    firing, recovered = group.firing, group.recovered
    counts = [f"{firing:,} alerts" if firing != 1 else "1 alert"] if firing else []
    if recovered:
        counts.append(f"{recovered:,} recovered" if firing else f"{recovered:,} alerts recovered")
    return line(f"{', '.join(counts)}: {first}", TITLE_MAX)


def item_of(event: AlertEvent) -> AlertItem:
    """Return what a message says of an event, before it is explained."""
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
        condition=event.condition,
    )
