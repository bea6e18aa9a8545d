"""State, events and progress of alerts in plain SQL, within the ledger process's transaction on `control.db`.

An event, what it changes and the row that it was evaluated up to are committed together, with the messages
that `notification` makes of it. One that is there already is not told again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from farebox.alerts.evaluation.transitions import Rule, Standing, StateKey, Transition

if TYPE_CHECKING:
    from farebox.alerts.event import AlertEvent
    from farebox.control.outbox.enqueue_sql import Connection

_DAY_NS = 86_400 * 10**9
_HISTORY_NS = 400 * _DAY_NS
_ENDED_NS = 3 * _DAY_NS
"""How long it is known what was told of a period that has ended: late calls count for it for a day."""

_COLUMNS = "alert, value, threshold, window_start, definition_key, state, round, since, event"
_STATES = f"SELECT {_COLUMNS} FROM alert_state"  # noqa: S608 - constants
_PUT_STATE = (
    f"INSERT INTO alert_state ({_COLUMNS}) "  # noqa: S608 - constants
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (alert, value, threshold, window_start) DO UPDATE SET "
    "definition_key = excluded.definition_key, state = excluded.state, round = excluded.round, "
    "since = excluded.since, event = excluded.event"
)
_ADD_EVENT = (
    "INSERT INTO alert_event (id, alert, value, state, at, seq, body, channels_told) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, '[]') ON CONFLICT (id) DO NOTHING RETURNING id"
)
_PUT_PROGRESS = (
    "INSERT INTO alert_progress (id, seq, at) VALUES (1, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, at = excluded.at"
)


def load(connection: Connection, rules: Mapping[str, Rule]) -> tuple[list[tuple[StateKey, Standing]], int]:
    """Return what was told, of these rules as they are, and the row that was evaluated up to.

    What is there of rules that are gone, or mean something else now, is forgotten: it recovers silently.
    """
    found: list[tuple[StateKey, Standing]] = []
    gone: list[StateKey] = []
    for alert, value, threshold, window, definition, state, round_, since, event in connection.execute(
        _STATES
    ):
        key = StateKey(alert, value, threshold, window)
        rule = rules.get(alert)
        if rule is None or rule.definition != definition or not _has(rule, threshold):
            gone.append(key)
        else:
            found.append((key, Standing(state, round_, since, event)))
    for key in gone:
        forget = (
            "DELETE FROM alert_state WHERE alert = ? AND value = ? AND threshold = ? AND window_start = ?"
        )
        list(connection.execute(forget, tuple(key)))
    progress = [seq for (seq,) in connection.execute("SELECT seq FROM alert_progress WHERE id = 1")]
    return found, progress[0] if progress else 0


def write(connection: Connection, changed: Iterable[Transition], seq: int, now_ns: int) -> list[AlertEvent]:
    """Store changes, and return the events that are new: those to tell."""
    new: list[AlertEvent] = []
    for key, definition, standing, event, is_quiet in changed:
        list(connection.execute(_PUT_STATE, (*key, definition, *standing)))
        if event is None:
            continue
        body = msgspec.json.encode(event).decode()
        row = (event.id, event.alert, event.value or "", event.state, event.at_ns, event.seq, body)
        if list(connection.execute(_ADD_EVENT, row)) and not is_quiet:
            new.append(event)
    list(connection.execute(_PUT_PROGRESS, (seq, now_ns)))
    return new


def prune(connection: Connection, now_ns: int) -> None:
    """Forget what is too old to be of use."""
    before_ns = now_ns - _HISTORY_NS
    list(connection.execute("DELETE FROM alert_event WHERE at < ?", (before_ns,)))
    list(
        connection.execute(
            "DELETE FROM alert_state WHERE state = 'recovered' "
            "AND (since < ? OR (window_start <> 0 AND since < ?))",
            (before_ns, now_ns - _ENDED_NS),
        )
    )


def _has(rule: Rule, threshold: int) -> bool:
    """Return whether a rule still has a threshold; one of a repeating step may be any above the others."""
    alert = rule.alert
    if not alert.at and alert.every is None:
        return threshold == 0
    if threshold in alert.at:
        return True
    base = alert.at[-1] if alert.at else 0
    return alert.every is not None and threshold > base and (threshold - base) % alert.every == 0
