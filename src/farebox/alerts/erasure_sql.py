"""Take erased values out of what alerts have said: their state, their history, and messages about them.

Calls, sums and thresholds stay, with what stands for the value in the record. Definitions stay as well: who
wrote a name into an alert has to take it out there. In plain SQL, for the ledger process; done again it
changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from farebox.alerts.alert import Alert
from farebox.alerts.event import AlertEvent
from farebox.alerts.event_words import BASIS_MAX, TITLE_MAX, shown_value, shown_where, words
from farebox.channels.news import ALERT_KINDS, AlertItem, AlertNews, alert_news, with_news
from farebox.plain_text import line

if TYPE_CHECKING:
    from farebox.control.outbox.enqueue_sql import Connection

_SOUGHT = 24
"""So many characters of a value are looked for: messages shorten long ones."""


class Erased(NamedTuple):
    """One value that is erased."""

    field: str
    """`user`, `customer`, `session`, `tag.<name>` …"""
    value: str
    name: str
    """What stands for it: `(erased 12)`."""


def forget(connection: Connection, erased: Iterable[Erased]) -> None:
    """Put what stands for values in their place, in the caller's transaction."""
    for each in erased:
        states = _states_of(connection, each)
        changed = _forget_in_events(connection, each)
        for alert, threshold, window in states:
            connection.execute(
                "UPDATE OR REPLACE alert_state SET value = ? "
                "WHERE alert = ? AND value = ? AND threshold = ? AND window_start = ?",
                (each.name, alert, each.value, threshold, window),
            )
        alerts = {alert for alert, _, _ in states} | {event.alert for event in changed.values()}
        _forget_snoozes(connection, each, alerts)
        _forget_in_messages(connection, each, changed)


def _states_of(connection: Connection, erased: Erased) -> list[tuple[str, int, int]]:
    """Return the states of a value. A wallet's stays, as the wallet does: without it, it would fire again."""
    rows = connection.execute(
        "SELECT s.alert, s.threshold, s.window_start, e.body FROM alert_state s "
        "LEFT JOIN alert_event e ON e.id = s.event WHERE s.value = ?",
        (erased.value,),
    )
    found: list[tuple[str, int, int]] = []
    for alert, threshold, window, body in list(rows):
        event = None if body is None else msgspec.json.decode(body, type=AlertEvent)
        if event is None or (event.kind != "wallet" and _is_value_of(event, erased)):
            found.append((alert, threshold, window))
    return found


def _forget_in_events(connection: Connection, erased: Erased) -> dict[str, AlertEvent]:
    """Return the events that named a value, by id, as they are now."""
    rows = connection.execute(
        "SELECT id, body FROM alert_event WHERE instr(body, ?) > 0", (_in_json(erased.value),)
    )
    changed: dict[str, AlertEvent] = {}
    for id, body in list(rows):
        event = msgspec.json.decode(body, type=AlertEvent)
        is_of_it = _is_value_of(event, erased)
        where = {
            name: tuple(erased.name if name == erased.field and said == erased.value else said for said in of)
            for name, of in event.where.items()
        }
        if not is_of_it and where == event.where:
            continue
        value = erased.name if is_of_it else event.value
        names_it = is_of_it and event.kind == "new"  # "the first calls with user …"
        basis = event.basis.replace(erased.value, erased.name) if names_it else event.basis
        event = changed[id] = msgspec.structs.replace(event, value=value, where=where, basis=basis)
        connection.execute(
            "UPDATE alert_event SET value = ?, body = ? WHERE id = ?",
            (event.value or "", msgspec.json.encode(event).decode(), id),
        )
    return changed


def _is_value_of(event: AlertEvent, erased: Erased) -> bool:
    if event.value != erased.value:
        return False
    if event.kind == "wallet":
        return erased.field == "customer"
    return erased.value in event.where.get(erased.field, ())


def _forget_snoozes(connection: Connection, erased: Erased, alerts: Collection[str]) -> None:
    """End the snoozes of a value; of alerts that never told of it, too, where a command set them."""
    set_ = connection.execute("SELECT definition FROM alert")
    defined = (msgspec.json.decode(definition, type=Alert) for (definition,) in set_)
    names = {*alerts, *(one.name for one in defined if erased.field in (one.each, one.subject))}
    for alert in names:
        connection.execute("DELETE FROM alert_snooze WHERE alert = ? AND value = ?", (alert, erased.value))


def _forget_in_messages(connection: Connection, erased: Erased, events: Mapping[str, AlertEvent]) -> None:
    rows = connection.execute(
        "SELECT id, payload FROM outbox_message WHERE kind LIKE ? "
        "AND (instr(payload, ?) OR instr(payload, ?))",
        (f"{ALERT_KINDS}%", *(_in_json(each[:_SOUGHT]) for each in (erased.value, line(erased.value)))),
    )
    for id, payload in list(rows):
        news = alert_news(payload)
        if news is None:
            continue
        without = _without(news, erased, events)
        if without != news:
            connection.execute(
                "UPDATE outbox_message SET payload = ? WHERE id = ?", (with_news(payload, without), id)
            )
    connection.execute(  # a receiver may have sent back what it was told
        "UPDATE outbox_delivery SET last_error = replace(last_error, ?, ?) WHERE instr(last_error, ?) "
        "AND message IN (SELECT id FROM outbox_message WHERE kind LIKE ?)",
        (erased.value, erased.name, erased.value, f"{ALERT_KINDS}%"),
    )


def _without(news: AlertNews, erased: Erased, events: Mapping[str, AlertEvent]) -> AlertNews:
    items = tuple(_item(each, erased, events.get(each.id)) for each in news.alerts)
    title = news.title
    if items and items[0].title != news.alerts[0].title:
        counted, colon, _ = title.partition(": ")
        title = items[0].title if news.count == 1 else line(f"{counted}{colon}{items[0].title}", TITLE_MAX)
    link = news.link
    if link is not None and any(each.link != was.link for each, was in zip(items, news.alerts, strict=True)):
        link = link.partition("?")[0]
    return msgspec.structs.replace(news, title=title, alerts=items, link=link)


def _item(item: AlertItem, erased: Erased, event: AlertEvent | None) -> AlertItem:
    explained = item.explanation
    if explained is not None and explained.dimension == erased.field:
        groups = tuple(
            msgspec.structs.replace(each, value=erased.name) if _shows(each.value, erased.value) else each
            for each in explained.groups
        )
        item = msgspec.structs.replace(item, explanation=msgspec.structs.replace(explained, groups=groups))
    if event is None:
        return item
    return msgspec.structs.replace(
        item,
        title=line(words(event), TITLE_MAX),
        value=None if event.value is None else shown_value(event),
        basis=line(event.basis, BASIS_MAX),
        where=shown_where(event),
        link=item.link.partition("?")[0],
    )


def _shows(shown: str, value: str) -> bool:
    return bool(shown) and (shown == value or (len(shown) >= _SOUGHT and value.startswith(shown)))


def _in_json(text: str) -> str:
    return msgspec.json.encode(text).decode()[1:-1]
