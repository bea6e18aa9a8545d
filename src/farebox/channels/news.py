"""What a message says, before it has any channel's form: the payload of alerts, and every payload as lines.

Names in it were written by many hands. What is shown is one line of visible characters each; what a vendor
would read as markup is that channel's to make harmless.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import msgspec

from farebox.plain_text import line

ALERT_KINDS = "alert."
FIRED, RECOVERED, TEST = "alert.fired", "alert.recovered", "alert.test"
PLAIN_TEST = "farebox.test"

Severity = Literal["info", "warning", "critical"]

_TITLE_MAX = 200
_LINE_MAX = 300
_FACTS_MAX = 12


class ChangedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """One of the groups that explain an alert."""

    value: str
    before: str
    after: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which groups of the calls changed most, in figures for people."""

    dimension: str
    """Which property of calls explains most: `model`, `customer`, `tag.feature`."""
    measure: str
    """What the figures are of: `cost`, `calls`."""
    before: str
    """Of all calls, in as long a time just before."""
    after: str
    groups: tuple[ChangedGroup, ...]
    rest_groups: int = 0


class AlertItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One alert that fired or recovered, in a message's `data.alerts`."""

    id: str
    """Of the event."""
    alert: str
    kind: str
    severity: Severity
    state: Literal["firing", "recovered"]
    title: str
    """What happened and how much, in words."""
    since: str
    at: str
    value: str | None = None
    threshold: str | None = None
    """Money is decimal text in `unit`, everything else a whole number in it."""
    measured: str | None = None
    unit: str = ""
    at_least: bool = False
    """The figure is a lower bound: calls without a price, or missing ones, are in it."""
    basis: str = ""
    where: dict[str, tuple[str, ...]] = {}
    condition: str = ""
    """The same for an alert's firing and its recovery, and for no other one."""
    explanation: Explanation | None = None
    not_explained: str | None = None
    """Why there is none."""
    link: str = ""
    """To these calls in the dashboard."""


class AlertNews(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`data` of a message about alerts."""

    title: str
    severity: Severity
    count: int
    """How many alerts it is about; the most severe ones are listed."""
    left_out: int = 0
    alerts: tuple[AlertItem, ...]
    link: str | None = None
    """To the dashboard; None until the message was explained."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a message tells."""

    title: str
    lines: tuple[str, ...] = ()


class News(msgspec.Struct, frozen=True, kw_only=True):
    """A message for people."""

    title: str
    severity: Severity
    state: Literal["firing", "recovered", "other"]
    occurred_at: str
    entries: tuple[Entry, ...] = ()
    left_out: int = 0
    link: str = ""

    def text(self) -> str:
        """Return all of it as plain text."""
        rows = [self.title]
        for entry in self.entries:
            rows += ["", *([entry.title] if entry.title != self.title else []), *entry.lines]
        if self.left_out:
            rows += ["", left_out_words(self.left_out)]
        if self.link:
            rows += ["", self.link]
        return "\n".join(rows)


class _Payload(msgspec.Struct):
    type: str
    timestamp: str
    data: msgspec.Raw


def alert_news(payload: str) -> AlertNews | None:
    """Return what a stored payload says of alerts, None where it is about something else."""
    found = msgspec.json.decode(payload, type=_Payload)
    if not found.type.startswith(ALERT_KINDS):
        return None
    return msgspec.json.decode(found.data, type=AlertNews)


def is_test(payload: str) -> bool:
    """Return whether a stored payload is a plain test of its channel."""
    return msgspec.json.decode(payload, type=_Payload).type == PLAIN_TEST


def with_news(payload: str, news: AlertNews) -> str:
    """Return a payload that says this of alerts, of the same kind and time."""
    found = msgspec.json.decode(payload, type=_Payload)
    return msgspec.json.encode({"type": found.type, "timestamp": found.timestamp, "data": news}).decode()


def news_of(payload: str) -> News:
    """Return what a stored payload says, for people."""
    found = msgspec.json.decode(payload, type=_Payload)
    alerts = alert_news(payload)
    if alerts is None:
        return _other(found)
    firing = any(each.state == "firing" for each in alerts.alerts)
    return News(
        title=line(alerts.title, _TITLE_MAX),
        severity=alerts.severity,
        state="firing" if firing else "recovered",
        occurred_at=found.timestamp,
        entries=tuple(_entry(each) for each in alerts.alerts),
        left_out=alerts.left_out,
        link=alerts.link or "",
    )


def left_out_words(number: int) -> str:
    """Return what stands in place of what is not listed."""
    return f"and {number:,} more: farebox alerts history"


def moment_words(moment: str) -> str:
    """Return an RFC 3339 moment in UTC to the second, for people."""
    return f"{moment[:10]} {moment[11:19]} UTC"


def lines(item: AlertItem) -> tuple[str, ...]:
    """Return what there is to say of an alert under its title."""
    since = f"Since {moment_words(item.since)}, {item.severity}"
    rows = [f"Recovered at {moment_words(item.at)}, {item.severity}" if item.state == "recovered" else since]
    if item.where:
        said = (f"{name} {', '.join(values) or 'none'}" for name, values in item.where.items())
        rows.append("Calls of " + "; ".join(said))
    if item.basis:
        rows.append(item.basis[:1].upper() + item.basis[1:])
    if item.explanation is not None:
        rows += _explained(item.explanation)
    elif item.not_explained:
        rows.append(f"Not explained: {item.not_explained}")
    return tuple(line(each, _LINE_MAX) for each in rows)


def _entry(item: AlertItem) -> Entry:
    return Entry(title=line(item.title, _TITLE_MAX), lines=lines(item))


def _explained(found: Explanation) -> list[str]:
    rows = [
        f"{found.measure.capitalize()} went from {found.before} to {found.after}; most of it by "
        f"{found.dimension}:"
    ]
    rows += [f"• {line(each.value, 80)}: {each.before} → {each.after}" for each in found.groups]
    return rows


def _other(found: _Payload) -> News:
    """Return a message that is not about alerts: its kind in words, and its facts as they are."""
    data = msgspec.json.decode(found.data, type=dict[str, Any])
    title = line(found.type.replace(".", " ").replace("_", " "), _TITLE_MAX)
    said = data.get("text")
    if isinstance(said, str):
        title = line(said, _TITLE_MAX)
    rows = [
        line(f"{name}: {_fact(value)}", _LINE_MAX)
        for name, value in list(data.items())[:_FACTS_MAX]
        if name != "text"
    ]
    return News(
        title=f"Farebox: {title}",
        severity="info",
        state="other",
        occurred_at=found.timestamp,
        entries=(Entry(title=f"Farebox: {title}", lines=tuple(rows)),) if rows else (),
    )


def _fact(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in cast("list[object]", value)[:5])
    return str(value)
