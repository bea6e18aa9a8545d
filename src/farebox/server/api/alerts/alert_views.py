"""Alerts, their state and their history as API v1 and `farebox alerts --json` show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from farebox.alerts.alert import Alert, Snooze
from farebox.alerts.alert_words import watched_words, whose_words
from farebox.alerts.event import AlertEvent, State
from farebox.alerts.event_words import exact, exact_unit, shown_value, shown_where, words
from farebox.alerts.references import missing, references_of
from farebox.alerts.written_alert import plain
from farebox.clock import iso
from farebox.home import Home
from farebox.snapshot import Snapshot, read_snapshot

if TYPE_CHECKING:
    from farebox.control.database import ControlDatabase
    from farebox.errors import Finding

FIRING_SHOWN = 100
"""Values of one alert."""
EVENTS_SHOWN = 50


class FiringValue(msgspec.Struct, kw_only=True):
    """One threshold that is passed."""

    value: str | None
    """Of `each`."""
    since: str
    words: str
    """What happened, and how much."""


class SnoozeView(msgspec.Struct, kw_only=True):
    """Until when nobody is told."""

    value: str | None
    """Of `each`; null: all."""
    since: str
    until: str
    by: str
    reason: str


class AlertView(msgspec.Struct, kw_only=True):
    """One alert as it is set, and how it is doing."""

    name: str
    kind: str
    watches: str
    """What is news, in words."""
    whose: str
    """Which calls it is about, in words; empty where it is about none."""
    definition: dict[str, Any]
    """Every setting as it is written."""
    to: list[str]
    severity: str
    origin: str
    """`command`, or the line of the home's `farebox.yaml`."""
    firing: list[FiringValue]
    """The newest first."""
    more_firing: int
    snoozes: list[SnoozeView]
    problems: list[str]
    """What it names and what is not there any more."""


class Alerts(msgspec.Struct, kw_only=True):
    """`/api/v1/alerts`: by name."""

    alerts: list[AlertView]
    channels: list[str]
    """Who can be told."""
    problems: list[str]
    """Why the home's `farebox.yaml` is not in force."""


class AlertEventView(msgspec.Struct, kw_only=True):
    """One piece of news."""

    id: str
    alert: str
    kind: str
    severity: str
    state: str
    """`firing` or `recovered`."""
    value: str | None
    words: str
    basis: str
    """What it was compared with."""
    measured: str | None
    threshold: str | None
    unit: str
    """Of both: USD or another currency, tokens, calls, ppm (millionths), us (microseconds), s."""
    is_at_least: bool
    since: str
    """When it began to hold."""
    at: str
    """When it was found."""
    where: dict[str, list[str]]
    told: list[str]
    """Which channels; none while it was snoozed."""


class AlertHistory(msgspec.Struct, kw_only=True):
    """`/api/v1/alert-events`: the newest first."""

    events: list[AlertEventView]


class NotSimulated(msgspec.Struct, kw_only=True):
    """An alert of which the record does not say what it would have told."""

    alert: str
    why: str


class AlertSimulation(msgspec.Struct, kw_only=True):
    """`/api/v1/alerts/{name}/simulation`: what would have been news, in the order of time."""

    since: str
    until: str
    events: list[AlertEventView]
    cannot: list[NotSimulated]
    """Alerts that were left out."""


def alerts_view(
    home: Home, now_ns: int, *, name: str | None = None, database: ControlDatabase | None = None
) -> Alerts:
    """Return every alert, or one of that name.

    Raises:
        UsageError: There is none of that name.
        ControlError: `control.db` cannot be read.
    """
    from farebox.control.alert_changes import known_in_file, unknown_alert
    from farebox.errors import UsageError

    published = read_snapshot(home)
    chosen = [each for each in published.alerts if name is None or each.name == name]
    if name is not None and not chosen:
        raise UsageError(unknown_alert(published, name))
    if not home.control.exists():
        return Alerts(
            alerts=[_view(each, _Firing(), published, now_ns, []) for each in chosen],
            channels=[],
            problems=list(published.problems),
        )
    from farebox.control.alerts import event_with, known, states
    from farebox.control.database import open_control

    with (database or open_control(home)).reading() as connection:
        there = known(connection, file_too=True) | known_in_file(published)
        firing = {each.name: _Firing() for each in chosen}
        for state in states(connection, list(firing)):
            if state.state != "firing":
                continue
            passed = firing[state.alert]
            passed.number += 1
            if passed.number <= FIRING_SHOWN and (kept := event_with(connection, state.event)) is not None:
                passed.events.append(kept.event)
    return Alerts(
        alerts=[
            _view(each, firing[each.name], published, now_ns, _problems(missing(references_of(each), there)))
            for each in chosen
        ],
        channels=there.names("channel"),
        problems=list(published.problems),
    )


class _Firing:
    """Which thresholds of an alert are passed."""

    def __init__(self) -> None:
        self.number = 0
        self.events: list[AlertEvent] = []


def _problems(findings: list[Finding]) -> list[str]:
    return [f"{each.found}; expected {each.expected}" for each in findings]


def _view(
    alert: Alert,
    firing: _Firing,
    published: Snapshot,
    now_ns: int,
    problems: list[str],
) -> AlertView:
    return AlertView(
        name=alert.name,
        kind=alert.kind,
        watches=watched_words(alert),
        whose=whose_words(alert),
        definition=plain(alert),
        to=list(alert.to),
        severity=alert.severity,
        origin=alert.origin,
        firing=[
            FiringValue(value=shown_value(each) or None, since=iso(each.since_ns), words=words(each))
            for each in firing.events
        ],
        more_firing=firing.number - len(firing.events),
        snoozes=[
            snooze_view(each)
            for each in published.snoozes
            if each.alert == alert.name and each.until_ns > now_ns
        ],
        problems=problems,
    )


def snooze_view(said: Snooze) -> SnoozeView:
    """Return a snooze as it is shown."""
    return SnoozeView(
        value=said.value or None,
        since=iso(said.since_ns),
        until=iso(said.until_ns),
        by=said.by,
        reason=said.reason,
    )


def history_view(
    home: Home,
    *,
    alert: str | None = None,
    state: State | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    limit: int | None = EVENTS_SHOWN,
    database: ControlDatabase | None = None,
) -> AlertHistory:
    """Return what alerts had to say; nothing where there is no control database.

    Raises:
        ControlError: `control.db` cannot be read.
    """
    if not home.control.exists():
        return AlertHistory(events=[])
    from farebox.control.alerts import events
    from farebox.control.database import open_control

    with (database or open_control(home)).reading() as connection:
        found = events(
            connection, alert=alert, state=state, since_ns=since_ns, until_ns=until_ns, limit=limit
        )
    return AlertHistory(events=[event_view(each.event, each.told) for each in found])


def event_view(event: AlertEvent, told: tuple[str, ...] = ()) -> AlertEventView:
    """Return an event as it is shown."""
    return AlertEventView(
        id=event.id,
        alert=event.alert,
        kind=event.kind,
        severity=event.severity,
        state=event.state,
        value=shown_value(event) or None,
        words=words(event),
        basis=event.basis,
        measured=exact(event.measured, event.unit),
        threshold=exact(event.threshold, event.unit),
        unit=exact_unit(event),
        is_at_least=event.is_at_least,
        since=iso(event.since_ns),
        at=iso(event.at_ns),
        where={name: list(values) for name, values in shown_where(event).items()},
        told=list(told),
    )


def simulation_view(
    alerts: Sequence[Alert], since_ns: int, until_ns: int, events: Sequence[AlertEvent]
) -> AlertSimulation:
    """Return a simulation as it is shown."""
    from farebox.ledger.alerting.simulation import CANNOT_BE_SIMULATED

    return AlertSimulation(
        since=iso(since_ns),
        until=iso(until_ns),
        events=[event_view(each) for each in events],
        cannot=[
            NotSimulated(alert=each.name, why=CANNOT_BE_SIMULATED[each.kind])
            for each in alerts
            if each.kind in CANNOT_BE_SIMULATED
        ],
    )
