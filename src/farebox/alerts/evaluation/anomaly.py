"""What is unusual for this hour of the week: a median, and how far hours are usually from it.

The last sixty minutes are compared with what the two hours that they lie in usually come to. What is usual
is told from the same hour of up to eight weeks; where these are too few, from the same hour of working days
or of weekends; where these are too few, from the highest of all hours. Where many of these hours have no
calls at all, from the highest of those that have some: no hour is then the usual one.

How far an hour usually is from its median is a ratio: half of the hours are within so many times as much,
or as little. Eight hours alone say little of it, so it is the larger of two: that of the same hour of all
working days, or of both days of weekends, each against its own median; and that of all hours of the week.
Deviations multiply, for so does what makes one hour busier than another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from farebox.alerts.alert import Alert, measure_unit
from farebox.alerts.evaluation.finding import Finding
from farebox.budgets.periods import HOUR_NS, SECOND_NS
from farebox.money import display_usd

WEEKS = 8
_DAY_NS = 24 * HOUR_NS
_WEEK_NS = 7 * _DAY_NS
HISTORY_NS = WEEKS * _WEEK_NS

_SAME_HOUR_MIN = 4
"""Weeks that have to be known for an hour to be compared with itself."""
_ENOUGH = 10
_SAME_KIND_MIN = 8
"""Working days, or days of weekends."""
_ALL_MIN = 72
_HIGH_PERCENT = 95
_BUSY_MIN = 24
"""Hours with calls that have to be known, where many have none."""
_IDLE_SHARE = 4
"""Where one of so many hours has no calls, calls do not come by the clock."""
_TO_STANDARD_DEVIATION = (14_826, 10_000)
"""A median absolute deviation in proportion to a standard deviation, where the noise is normal."""
_MILLION = 1_000_000
_RATIO_MAX_PPM = 1_000 * _MILLION
"""Of an hour that came to nothing, against its median."""
_DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


class Usual(NamedTuple):
    """What an hour usually comes to."""

    median: int
    deviation: int
    """Half of the hours come to less above it, in proportion; of the highest hours, a standard deviation."""
    words: str
    is_highest: bool = False
    """Whether `median` is what the highest hours come to: then deviations are added to it."""

    def most(self, deviations: int, factor_ppm: int) -> int:
        """Return what so many deviations above it come to, and no less than so many times as much."""
        if self.median <= 0 or self.is_highest:
            above = self.median + deviations * self.deviation
        else:
            above = self.median * (self.median + self.deviation) ** deviations // self.median**deviations
        return max(above, self.median * factor_ppm // _MILLION)


class HourOfWeek(NamedTuple):
    weekday: int
    hour: int

    @property
    def is_weekend(self) -> bool:
        return self.weekday >= 5


class History:
    """The hours of one value before now, and what is usual."""

    def __init__(
        self,
        sums: Mapping[int, int],
        first_ns: int,
        until_ns: int,
        timezone: str,
        relative_ppm: int | None = None,
    ) -> None:
        """`sums`: by the start of the hour. Hours without one came to nothing, from `first_ns` on.

        `relative_ppm`: as it was found to be before, for it takes a while and hardly changes in a day.
        """
        self._sums = sums
        self._first = max(first_ns, until_ns - HISTORY_NS) // HOUR_NS * HOUR_NS
        self._until = until_ns
        self._timezone = timezone
        self._relative = relative_ppm

    def usual(self, start_ns: int) -> Usual | None:
        """Return what is usual in the hour that begins at a moment; None while too little is known."""
        hour = hour_of_week(start_ns, self._timezone)
        same = self._same_hours(start_ns, hour)
        if len(same) >= _SAME_HOUR_MIN:
            if _is_idle(same):
                return self._of_busy_hours()
            days = f"{len(same)} {_DAYS[hour.weekday]}"
            alike = self._same_kind(start_ns, hour, same)
            return self._usual(same, f"over {days}, {_clock(hour)}", alike)
        every = [(hour_of_week(start, self._timezone), amount) for start, amount in self._hours()]
        kind = [
            amount
            for other, amount in every
            if other.hour == hour.hour and other.is_weekend == hour.is_weekend
        ]
        if len(kind) >= _SAME_KIND_MIN:
            if _is_idle(kind):
                return self._of_busy_hours()
            days = f"{len(kind)} {'days of weekends' if hour.is_weekend else 'working days'}"
            return self._usual(kind, f"over {days}, {_clock(hour)}", (kind,))
        if len(every) >= _ALL_MIN:
            amounts = [amount for _, amount in every]
            if _is_idle(amounts):
                return self._of_busy_hours()
            return _highest(amounts, f"{len(amounts)} hours")
        return None

    def _of_busy_hours(self) -> Usual | None:
        """Return what the highest hours with calls come to: which hours have some is no matter of the clock.

        A median of none would make every call unusual.
        """
        busy = [each for at, each in self._sums.items() if each and self._first <= at < self._until]
        return _highest(busy, f"{len(busy)} hours with calls") if len(busy) >= _BUSY_MIN else None

    @property
    def relative_ppm(self) -> int:
        """How many times its own median an hour of the week usually comes to, or the reverse."""
        if self._relative is None:
            by_hour: dict[HourOfWeek, list[int]] = {}
            for start, amount in self._hours():
                by_hour.setdefault(hour_of_week(start, self._timezone), []).append(amount)
            self._relative = _usual_ratio(by_hour.values())
        return self._relative

    def _hours(self) -> Iterator[tuple[int, int]]:
        for start in range(self._first, self._until, HOUR_NS):
            yield start, self._sums.get(start, 0)

    def _same_hours(self, start_ns: int, hour: HourOfWeek, first_week: int = 1) -> list[int]:
        """Return the same hour of earlier weeks; a clock change makes it an hour earlier or later."""
        found: list[int] = []
        for week in range(first_week, first_week + WEEKS):
            for shift in (-1, 0, 1):
                start = start_ns - week * _WEEK_NS + shift * HOUR_NS
                is_known = self._first <= start < self._until
                if is_known and hour_of_week(start, self._timezone) == hour:
                    found.append(self._sums.get(start, 0))
        return found

    def _same_kind(self, start_ns: int, hour: HourOfWeek, same: Sequence[int]) -> Iterator[Sequence[int]]:
        """Yield the same hour of each day of the same kind, in earlier weeks."""
        yield same
        for days in range(1, 7):
            other = HourOfWeek((hour.weekday - days) % 7, hour.hour)
            if other.is_weekend == hour.is_weekend:
                yield self._same_hours(start_ns - days * _DAY_NS, other, first_week=0)

    def _usual(self, amounts: Sequence[int], words: str, alike: Iterable[Sequence[int]]) -> Usual:
        """`alike`: hours that are as far from their medians as these are."""
        median = _median(amounts)
        ratio = max(_usual_ratio(alike), self.relative_ppm)
        if len(amounts) < _ENOUGH:
            # The fewer there are, the further the median itself may be from what is usual.
            more = Decimal((len(amounts) + 2) * _ENOUGH) / (len(amounts) * (_ENOUGH + 2))
            ratio = int((Decimal(ratio) / _MILLION) ** more * _MILLION)
        return Usual(median, median * (ratio - _MILLION) // _MILLION, words)


class Expected(NamedTuple):
    """What sixty minutes may come to."""

    most: int
    words: str


def expected(alert: Alert, last: Usual, this: Usual, passed_ns: int) -> Expected:
    """Return what is not unusual in the sixty minutes that end `passed_ns` after a full hour.

    `last` is what is usual in the hour before that, `this` in the one after it.
    """
    left_ns = HOUR_NS - passed_ns
    beyond = alert.sensitivity

    def between(before: int, after: int) -> int:
        return (after * passed_ns + before * left_ns) // HOUR_NS

    most = between(*(each.most(beyond.deviations, beyond.factor_ppm) for each in (last, this)))
    median = _said(alert, between(last.median, this.median))
    deviation = _said(alert, between(last.deviation, this.deviation))
    words = (this if passed_ns >= left_ns else last).words
    return Expected(max(most, alert.amount_min), f"median {median} an hour {words}, deviation {deviation}")


def is_normal(amount: int, most: Expected) -> bool:
    """Return whether a whole hour was as usual, and clearly so: a fifth below the most it might come to."""
    return amount * 5 <= most.most * 4


def find_anomaly(
    alert: Alert, amount: int, calls: int, unpriced: int, most: Expected, now_ns: int, *, has_ended: bool
) -> Finding:
    """Return whether the sixty minutes before now came to more than is usual.

    `has_ended`: a whole hour since it began was as usual.
    """
    unusual = amount > most.most and calls >= max(alert.least, 1)
    return Finding(
        measured=amount,
        reached=(0,) if unusual else (),
        kept=() if has_ended else (0,),
        from_ns=now_ns - HOUR_NS,
        until_ns=now_ns,
        basis=most.words,
        is_at_least=unpriced > 0,
    )


@lru_cache(maxsize=8_192)
def hour_of_week(start_ns: int, timezone: str) -> HourOfWeek:
    """Return which hour of the week begins at a moment, by a zone's clock."""
    local = datetime.fromtimestamp(start_ns // SECOND_NS, UTC)
    if timezone != "UTC":
        local = local.astimezone(_zone(timezone))
    return HourOfWeek(local.weekday(), local.hour)


def _is_idle(amounts: Sequence[int]) -> bool:
    return sum(not each for each in amounts) * _IDLE_SHARE >= len(amounts)


def _highest(amounts: Sequence[int], of: str) -> Usual:
    ordered = sorted(amounts)
    middle = _median(ordered)
    deviation = _scaled(_median(abs(each - middle) for each in ordered))
    high = ordered[len(ordered) * _HIGH_PERCENT // 100]
    return Usual(high, deviation, f"as high as all but a twentieth of {of}", is_highest=True)


def _usual_ratio(groups: Iterable[Sequence[int]]) -> int:
    """Return, in millionths, how many times the median of its group an amount usually is, or the reverse."""
    ratios: list[int] = []
    for amounts in groups:
        median = _median(amounts)
        if median > 0 and len(amounts) >= _SAME_HOUR_MIN:
            ratios += [_ratio(each, median) for each in amounts]
    return max(_median(ratios), _MILLION)


def _ratio(one: int, other: int) -> int:
    low, high = (one, other) if one < other else (other, one)
    return min(high * _MILLION // low, _RATIO_MAX_PPM) if low > 0 else _RATIO_MAX_PPM


def _median(amounts: Iterable[int]) -> int:
    ordered = sorted(amounts)
    middle = len(ordered) // 2
    if not ordered:
        return 0
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) // 2


def _scaled(deviation: int) -> int:
    above, below = _TO_STANDARD_DEVIATION
    return deviation * above // below


def _clock(hour: HourOfWeek) -> str:
    return f"{hour.hour:02}:00-{(hour.hour + 1) % 24:02}:00"


def _said(alert: Alert, amount: int) -> str:
    if measure_unit(alert.subject) == "pico_usd":
        return display_usd(amount)
    return f"{amount:,} {alert.subject.replace('_', ' ')}"


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
