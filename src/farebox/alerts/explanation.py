"""What explains an alert: which groups of calls changed most against as long a time just before.

Pure: whoever asks the analytics hands the sums in. Of the dimensions, that one is shown whose shares changed
most: a dimension in which everything grew alike, or that has one value, explains nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from farebox.alerts.alert import COUNT_MEASURES
from farebox.alerts.event import AlertEvent
from farebox.alerts.event_words import amount
from farebox.channels.news import ChangedGroup, Explanation
from farebox.money import display_usd

DIMENSIONS = ("model", "app", "agent", "customer", "user", "project", "key")
"""What is compared, the first one where several explain as much."""
GROUPS = 3

_COST, _CHARGE, _CALLS = "cost_pico", "charge_pico", "calls"
_MEASURES: dict[str, tuple[str, str]] = {
    "budget": (_COST, "cost"),
    "wallet": (_CHARGE, "price"),
    "new": (_CALLS, "calls"),
    "unpriced": ("unpriced_calls", "calls without a price"),
    "cache_hits": ("cache_read_input_tokens", "cached input tokens"),
    "cache_lifetime": ("cache_creation_input_tokens", "input tokens cached"),
    "retries": (_CALLS, "calls"),
    "errors": ("errors", "failed calls"),
    "latency": ("total_us", "time of all calls"),
    "margin": (_COST, "cost"),
    "no_data": (_CALLS, "calls"),
}
"""Of the kinds whose subject is no measure; those that are in neither have no calls that explain them."""


class Spans(NamedTuple):
    """What is compared, both half-open."""

    before_ns: int
    from_ns: int
    until_ns: int


class Sums(NamedTuple):
    """One measure of one combination of values of the dimensions that were asked for."""

    values: tuple[str, ...]
    """Empty text for calls that say none."""
    before: int
    after: int


def measure(event: AlertEvent) -> tuple[str, str] | None:
    """Return the analytics' measure that explains an event and its name in words, None where none does."""
    if event.kind in ("spend", "usage", "rise", "anomaly"):
        if event.subject in COUNT_MEASURES:
            return event.subject, event.subject.replace("_", " ")
        return (_CHARGE, "price") if event.subject == "price" else (_COST, "cost")
    return _MEASURES.get(event.kind)


def spans(event: AlertEvent) -> Spans:
    """Return the time that an event is about and as long a time before."""
    until_ns = event.until_ns if event.until_ns > event.from_ns else max(event.at_ns, event.from_ns + 1)
    return Spans(2 * event.from_ns - until_ns, event.from_ns, until_ns)


def dimensions(event: AlertEvent) -> list[str]:
    """Return what is compared: what the alert does not say itself."""
    fixed = {name for name, values in event.where.items() if len(values) == 1 and "*" not in values[0]}
    return [name for name in DIMENSIONS if name not in fixed]


def explanation(
    event: AlertEvent,
    names: Sequence[str],
    sums: Sequence[Sums],
    before: int,
    after: int,
    shown: Callable[[str, str], str],
) -> Explanation | None:
    """Return the groups that changed most, None where nothing changed.

    `names` are the dimensions of `sums`; `before` and `after` are of all calls; `shown` is given a dimension
    and a value, and returns how that is written.
    """
    said = measure(event)
    if said is None or not sums:
        return None
    by_name = {name: _groups(sums, at) for at, name in enumerate(names)}
    chosen = max(names, key=lambda name: (_moved(by_name[name]), -names.index(name)))
    groups = sorted(by_name[chosen].items(), key=lambda each: (-abs(each[1][1] - each[1][0]), each[0]))
    changed = [(value, was, now) for value, (was, now) in groups if was != now]
    if not changed:
        return None

    def figure(number: int) -> str:
        return _figure(number, said[0])

    return Explanation(
        dimension=chosen,
        measure=said[1],
        before=figure(before),
        after=figure(after),
        groups=tuple(
            ChangedGroup(value=shown(chosen, value), before=figure(was), after=figure(now))
            for value, was, now in changed[:GROUPS]
        ),
        rest_groups=max(len(changed) - GROUPS, 0),
    )


def _groups(sums: Sequence[Sums], at: int) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for each in sums:
        was, now = found.get(each.values[at], (0, 0))
        found[each.values[at]] = (was + each.before, now + each.after)
    return found


def _moved(groups: Mapping[str, tuple[int, int]]) -> Fraction:
    """Return how much of the whole is in other groups than before: half the sum of the shares' changes.

    Where there was nothing before, or is nothing after, the largest group's share says how much one value
    explains; a dimension with one value, that of none, explains nothing.
    """
    before = sum(max(was, 0) for was, _ in groups.values())
    after = sum(max(now, 0) for _, now in groups.values())
    if len(groups) < 2 or not (before or after):
        return Fraction(0)
    if before and after:
        shares = (
            abs(Fraction(max(now, 0), after) - Fraction(max(was, 0), before)) for was, now in groups.values()
        )
        return sum(shares, Fraction(0)) / 2
    largest = max(max(was, now) for was, now in groups.values())
    return Fraction(largest, before or after) / 1000


def _figure(number: int, name: str) -> str:
    if name in (_COST, _CHARGE):
        return display_usd(number)
    return amount(number, "us") if name == "total_us" else f"{number:,}"
