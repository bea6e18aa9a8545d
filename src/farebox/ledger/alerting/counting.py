"""Add groups of rows to the sums that they count in, a part of time at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from farebox.ledger.alerting.callers import CallerKind, Callers
from farebox.ledger.alerting.row_groups import Group

if TYPE_CHECKING:
    from farebox.ledger.alerting.series import Series, Span
    from farebox.ledger.alerting.sums import Sums
    from farebox.ledger.feed import Feed


class Touched(NamedTuple):
    """Sums that have changed."""

    series: int
    """Its number."""
    value: str
    start_ns: int
    """Of a period: when it begins. 0 of a span that ends now."""


Trail = list[tuple[int, Sequence[int]]]
"""What was added to sums, and when the last of it occurred, in the order of time."""


class Counting:
    """For one set of series, by their numbers."""

    def __init__(self, series: Sequence[Series], numbers: Sequence[int], feed: Feed) -> None:
        self._series = series
        self._numbers = numbers
        self._callers = Callers(series, feed)
        self._spans = list(dict.fromkeys(each.span for each in series))

    def add(
        self,
        sums: Sums,
        groups: Collection[Group],
        steps: Sequence[int],
        now_ns: int,
        changed: dict[Touched, int],
        trails: dict[Touched, Trail] | None = None,
    ) -> None:
        """Add groups; note in `changed` which sums are others now, and in `trails` what was added to them.

        `steps`: at which response times the groups are told apart.
        """
        kinds = self._callers.of({(each.call_class, each.attribution) for each in groups})
        by_kind: dict[CallerKind, list[Group]] = {}
        for group in groups:
            by_kind.setdefault(kinds[group.call_class, group.attribution], []).append(group)
        starts = {span: _Starts(span, now_ns) for span in self._spans}
        for kind, alike in by_kind.items():
            for span, counted in kind.by_span:
                start_of = starts[span]
                parts: dict[int, list[Group]] = {}
                for group in alike:
                    start = start_of[group.minute_ns]
                    if start >= start_of.first_ns:
                        parts.setdefault(start, []).append(group)
                for start, part in parts.items():
                    amounts = _together(part)
                    last_ns = max(each.last_ns for each in part)
                    for position, value, is_news in counted:
                        kept, number = self._series[position], self._numbers[position]
                        added = (
                            _counts(kept, part, steps)
                            if kept.steps
                            else [amounts[column] for column in kept.columns]
                        )
                        is_new = sums.add(number, kept, value, start, start_of.first_ns, added, last_ns)
                        if not is_news or (span.kind == "known" and not is_new and amounts[0] >= 0):
                            continue
                        touched = Touched(number, value, start if span.kind == "period" else 0)
                        if changed.get(touched, 0) < last_ns:
                            changed[touched] = last_ns
                        if trails is not None and span.kind in ("period", "ever"):
                            trails.setdefault(touched, []).extend(
                                (each.last_ns, [each.sums[column] for column in kept.columns])
                                for each in part
                            )


class _Starts(dict[int, int]):
    """When the part of time around a minute begins."""

    def __init__(self, span: Span, now_ns: int) -> None:
        super().__init__()
        self._span = span
        self.first_ns = span.first_ns(now_ns)

    def __missing__(self, minute_ns: int) -> int:
        start = self[minute_ns] = self._span.start_of(minute_ns)
        return start


def _together(part: Sequence[Group]) -> Sequence[int]:
    if len(part) == 1:
        return part[0].sums
    return [sum(each) for each in zip(*[group.sums for group in part], strict=True)]


def _counts(kept: Series, part: Sequence[Group], steps: Sequence[int]) -> list[int]:
    """Return the calls in each class of response times."""
    counts = [0] * kept.width
    for group in part:
        counts[kept.step_of(group.latency, steps)] += group.sums[0]
    return counts
