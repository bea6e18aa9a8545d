"""What changes between what was told and what is found.

Ids of events are made of what they are about, keyed by the home: of a value that was erased nobody can tell
from an id that is left whether it was this or that one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from farebox.alerts.alert import Alert, unit
from farebox.alerts.evaluation.finding import Finding
from farebox.alerts.event import AlertEvent, State

LATE_NS = 24 * 3600 * 10**9
"""A period that ended longer ago is no news any more."""


class StateKey(NamedTuple):
    """What is told once."""

    alert: str
    value: str
    """Of `each`; empty without."""
    threshold: int
    window_ns: int


class Standing(NamedTuple):
    """What was told last."""

    state: State
    round: int
    """How many times it has fired."""
    since_ns: int
    event: str


class Transition(NamedTuple):
    """One change of state."""

    key: StateKey
    definition: str
    standing: Standing
    event: AlertEvent | None
    """None where there is nothing to say."""
    is_quiet: bool = False
    """Whether nobody is told; it is in the history all the same."""


class Rule(NamedTuple):
    """An alert, and what its state is kept by."""

    alert: Alert
    definition: str
    """Of what it means: with another one, its state begins anew."""
    limit: int | None = None
    """Of a budget: what its thresholds are shares of."""
    id_key: bytes = b""


def definition_of(alert: Alert, *more: object) -> str:
    """Return the key of what an alert means. Thresholds, evidence and who is told can change without it."""
    where = sorted((name, sorted(values)) for name, values in alert.where.items())
    period = None if alert.period is None else (alert.period.kind, alert.period.rolling_s)
    said = (alert.name, alert.kind, alert.subject, where, alert.each, period, alert.timezone, more)
    return blake2b(msgspec.json.encode(said), digest_size=12).hexdigest()


def event_id(rule: Rule, key: StateKey, round_: int, state: State) -> str:
    """Return the id of an event: whoever evaluates again finds the same one."""
    return _keyed(rule, (rule.definition, *key, round_, state))


def id_key(secret: bytes) -> bytes:
    """Return what ids are keyed by, of a home's secret."""
    return blake2b(b"ids of alerts", key=secret, digest_size=32).digest()


def _keyed(rule: Rule, said: tuple[object, ...]) -> str:
    return blake2b(msgspec.json.encode(said), key=rule.id_key, digest_size=16).hexdigest()


def transitions(
    rule: Rule,
    value: str | None,
    finding: Finding,
    told: Mapping[int, Standing],
    now_ns: int,
    seq: int,
) -> list[Transition]:
    """Return what is news: each threshold once for each value and period, until it has recovered.

    `told`: by threshold, what was told of this value and this period. A period that has ended fires only
    what it has not fired before, and only within a day: a clock that jumps back repeats nothing.
    """
    changed: list[Transition] = []
    end = finding.window_end_ns
    has_ended = end is not None and end <= now_ns
    if has_ended and end is not None and end < now_ns - LATE_NS:
        return changed
    for threshold in finding.reached:
        before = told.get(threshold)
        if before is not None:
            if before.state == "firing" or has_ended:
                continue
            if end is not None and before.since_ns >= end:
                continue  # it recovered as the period ended, by a clock that was put back since
        round_ = before.round + 1 if before is not None else 1
        changed.append(_changed(rule, value, threshold, finding, "firing", round_, now_ns, seq))
    if not has_ended:
        stays = {*finding.reached, *finding.kept}
        changed += [
            _changed(rule, value, threshold, finding, "recovered", before.round, now_ns, seq, before)
            for threshold, before in sorted(told.items())
            if before.state == "firing" and threshold not in stays
        ]
    return changed


def ended(
    rule: Rule, value: str | None, finding: Finding, told: Mapping[int, Standing], now_ns: int, seq: int
) -> list[Transition]:
    """Return the recoveries of everything that still fires, because its period or its time is over."""
    return [
        _changed(rule, value, threshold, finding, "recovered", before.round, now_ns, seq, before)
        for threshold, before in sorted(told.items())
        if before.state == "firing"
    ]


def quietly(changes: Iterable[Transition]) -> list[Transition]:
    """Return changes of which nobody is told, and which are in the history all the same."""
    return [each._replace(is_quiet=True) for each in changes]


def _changed(
    rule: Rule,
    value: str | None,
    threshold: int,
    finding: Finding,
    state: State,
    round_: int,
    now_ns: int,
    seq: int,
    before: Standing | None = None,
) -> Transition:
    alert = rule.alert
    key = StateKey(alert.name, value or "", threshold, finding.window_ns)
    identity = event_id(rule, key, round_, state)
    since_ns = before.since_ns if before is not None else min(finding.since_ns or now_ns, now_ns)
    where = dict(alert.where)
    dimension = alert.subject if alert.kind == "new" else alert.each
    if dimension is not None and value is not None:
        where[dimension] = (value,)
    event = AlertEvent(
        id=identity,
        alert=alert.name,
        kind=alert.kind,
        subject=alert.subject,
        severity=alert.severity,
        state=state,
        value=value,
        threshold=threshold if alert.at or alert.every else None,
        measured=finding.measured,
        unit="pico_currency" if finding.currency != "USD" else unit(alert),
        currency=finding.currency,
        is_at_least=finding.is_at_least,
        basis=finding.basis,
        since_ns=since_ns,
        at_ns=now_ns,
        seq=seq,
        from_ns=finding.from_ns,
        until_ns=min(finding.until_ns or now_ns, now_ns),
        where=where,
        to=alert.to,
        condition=_keyed(rule, (alert.name, key.value, key.threshold)),
        ends="" if before is None else before.event,
    )
    standing_since = since_ns if state == "firing" else now_ns
    return Transition(key, rule.definition, Standing(state, round_, standing_since, identity), event)
