"""What is usual around this hour, for each value of each alert on anomalies: a few are made in a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from farebox.alerts.evaluation.anomaly import HISTORY_NS, History, Usual, expected, find_anomaly, is_normal
from farebox.budgets.periods import HOUR_NS
from farebox.ledger.alerting.sums import amount_of

if TYPE_CHECKING:
    from farebox.alerts.alert import Alert
    from farebox.alerts.evaluation.finding import Finding
    from farebox.alerts.evaluation.transitions import Standing
    from farebox.ledger.alerting.sums import Sums

BASELINES_AT_ONCE = 20
"""Each reads eight weeks of hours."""
_DAY_NS = 24 * HOUR_NS
_KEPT_MAX = 20_000


class Baseline(NamedTuple):
    hour_ns: int
    last: Usual | None
    this: Usual | None
    last_amount: int
    """What the last whole hour came to."""
    relative: int
    relative_ns: int
    """`History.relative_ppm`, and when it was found."""

    def has_ended(self, alert: Alert, told: Standing | None) -> bool:
        """Return whether a whole hour since what is told began was as usual."""
        return (
            told is not None
            and self.last is not None
            and told.since_ns < self.hour_ns
            and is_normal(self.last_amount, expected(alert, self.last, self.last, 0))
        )


class Baselines:
    """For one set of rules and their sums."""

    def __init__(self, sums: Sums, at_once: int = BASELINES_AT_ONCE) -> None:
        """How many are made in one step, so that it does not take long."""
        self._sums = sums
        self._at_once = self._left = at_once
        self._known: dict[tuple[str, str], Baseline] = {}

    def begin_step(self) -> None:
        """Let the next ones be made."""
        self._left = self._at_once

    def of(self, alert: Alert, hours: int, value: str, now_ns: int) -> Baseline | None:
        """Return what is usual for a value; None where it has to wait for the next step.

        `hours`: the number of the series of its hours.
        """
        key = alert.name, value
        hour_ns = now_ns // HOUR_NS * HOUR_NS
        known = self._known.get(key)
        if known is not None and known.hour_ns == hour_ns:
            return known
        if not self._left:
            return None
        self._left -= 1
        if len(self._known) > _KEPT_MAX:
            self._known.clear()
        found = self._sums.parts(hours, value, hour_ns - HISTORY_NS - HOUR_NS)
        made = self._known[key] = _made(alert, known, {at: cell[-1] for at, cell in found.items()}, hour_ns)
        return made


def anomaly(
    alert: Alert, baseline: Baseline, found: tuple[int, ...], told: Standing | None, now_ns: int
) -> Finding | None:
    """Return whether the last sixty minutes, which came to `found`, are unusual; None while nothing is known
    to be usual.
    """
    if baseline.last is None or baseline.this is None:
        return None
    most = expected(alert, baseline.last, baseline.this, now_ns - baseline.hour_ns)
    return find_anomaly(
        alert, amount_of(found), found[0], found[1], most, now_ns, has_ended=baseline.has_ended(alert, told)
    )


def _made(alert: Alert, known: Baseline | None, amounts: dict[int, int], hour_ns: int) -> Baseline:
    sums = {start: amount for start, amount in amounts.items() if start < hour_ns}
    if not sums:
        return Baseline(hour_ns, None, None, 0, 0, hour_ns)
    # The hour that has just ended is no part of what it is compared with.
    last_ns = hour_ns - HOUR_NS
    is_of_today = known is not None and hour_ns - known.relative_ns < _DAY_NS
    relative = known.relative if known is not None and is_of_today else None
    history = History(sums, min(sums), last_ns, alert.timezone, relative)
    is_next = known is not None and known.hour_ns == last_ns
    return Baseline(
        hour_ns,
        known.this if known is not None and is_next else history.usual(last_ns),
        history.usual(hour_ns),
        sums.get(last_ns, 0),
        history.relative_ppm,
        known.relative_ns if known is not None and relative is not None else hour_ns,
    )
