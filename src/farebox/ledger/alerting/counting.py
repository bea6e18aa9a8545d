"""Add groups of rows to the sums that they count in, a part of time at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from farebox.ledger.alerting.callers import Callers
from farebox.ledger.alerting.row_groups import Group

if TYPE_CHECKING:
    from farebox.ledger.alerting.callers import Counted, Share
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
    """For one set of series, by their numbers, and groups that have these columns."""

    def __init__(
        self, series: Sequence[Series], numbers: Sequence[int], columns: Sequence[int], feed: Feed
    ) -> None:
        self._callers = Callers(series, numbers, columns, feed)
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
        """Add groups, which are in the order of time. Note in `changed` which sums are others now, and in
        `trails` what was added to them.

        `steps`: at which response times the groups are told apart.
        """
        shares = self._callers.of({(each.call_class, each.attribution) for each in groups})
        by_share: dict[Share, list[Group]] = {}
        for group in groups:
            for share in shares[group.call_class, group.attribution]:
                alike = by_share.get(share)
                if alike is None:
                    by_share[share] = [group]
                else:
                    alike.append(group)
        starts = {span: _Starts(span, now_ns) for span in self._spans}
        for share, alike in by_share.items():
            parts = _Parts(alike)
            for span, counted in share.by_span:
                _add(sums, share, counted, parts, starts[span], steps, changed, trails)


def _add(
    sums: Sums,
    share: Share,
    counted: Sequence[Counted],
    parts: _Parts,
    starts: _Starts,
    steps: Sequence[int],
    changed: dict[Touched, int],
    trails: dict[Touched, Trail] | None,
) -> None:
    """Add what counts for one value to sums that divide time alike."""
    value, kind = share.value, starts.span.kind
    for start, part in parts.by(starts):
        amounts, last_ns = part.amounts, part.last_ns
        for number, kept, taken in counted:
            added = _counts(kept, part.groups, steps) if kept.steps else taken(amounts)
            if kind == "last":
                sums.note(number, value, start, added[0], last_ns)
                is_new = False
            else:
                is_new = sums.add(number, value, start, added)
            if not share.is_news or (kind == "known" and not is_new and amounts[0] >= 0):
                continue
            touched = Touched(number, value, start if kind == "period" else 0)
            if changed.get(touched, 0) < last_ns:
                changed[touched] = last_ns
            if trails is not None and kind in ("period", "ever"):
                trails.setdefault(touched, []).extend(
                    (each.last_ns, taken(each.sums)) for each in part.groups
                )


class _Part:
    """Groups that follow one another, and what they come to."""

    __slots__ = ("amounts", "groups", "last_ns")

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = groups
        if len(groups) == 1:
            self.amounts, self.last_ns = groups[0].sums, groups[0].last_ns
        else:
            self.amounts = [sum(each) for each in zip(*[group.sums for group in groups], strict=True)]
            self.last_ns = max([group.last_ns for group in groups])


class _Parts:
    """Groups in the order of time, divided in one way after another. Most ways divide them alike."""

    def __init__(self, groups: list[Group]) -> None:
        self._groups = groups
        self._found: dict[tuple[int, int], _Part] = {}

    def by(self, starts: _Starts) -> list[tuple[int, _Part]]:
        """Return the parts of time that the groups are of and that are needed, by when each begins."""
        groups, first_ns = self._groups, starts.first_ns
        last = starts[groups[-1].minute_ns]
        if last < first_ns:
            return []
        found: list[tuple[int, _Part]] = []
        begin = 0
        while (start := starts[groups[begin].minute_ns]) != last:
            end = bisect_right(groups, start, begin, key=starts.of)
            if start >= first_ns:
                found.append((start, self._part(begin, end)))
            begin = end
        found.append((last, self._part(begin, len(groups))))
        return found

    def _part(self, begin: int, end: int) -> _Part:
        part = self._found.get((begin, end))
        if part is None:
            part = self._found[begin, end] = _Part(self._groups[begin:end])
        return part


class _Starts(dict[int, int]):
    """When the part of time around a minute begins."""

    def __init__(self, span: Span, now_ns: int) -> None:
        super().__init__()
        self.span = span
        self.first_ns = span.first_ns(now_ns)

    def of(self, group: Group) -> int:
        """Return when the part of time that a group is of begins."""
        return self[group.minute_ns]

    def __missing__(self, minute_ns: int) -> int:
        start = self[minute_ns] = self.span.start_of(minute_ns)
        return start


def _counts(kept: Series, part: Sequence[Group], steps: Sequence[int]) -> list[int]:
    """Return the calls in each class of response times."""
    counts = [0] * kept.width
    for group in part:
        counts[kept.step_of(group.latency, steps)] += group.sums[0]
    return counts
