"""Which sums a call counts in: decided once for calls that are alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from farebox.budgets.budget import Budget, BudgetSet, Period
from farebox.budgets.matching import Matcher, attributes, without_stated_customer
from farebox.journal.records import IMPORTED
from farebox.ledger.alerting.series import Filter, Series, Span
from farebox.ledger.append.dictionaries import is_erased_name
from farebox.ledger.feed import CLASS_COLUMNS, Attribution, Feed

_REMEMBERED = 1_024
"""Each is some kilobytes where there are many alerts."""
_VERDICTS_REMEMBERED = 64
_PROVIDER, _MODEL, _REQUEST_MODEL, _KEY = (
    CLASS_COLUMNS.index(name) for name in ("provider", "model", "request_model", "key_fingerprint")
)
_EVER = Period("ever")


class Counted(NamedTuple):
    """What a call counts in."""

    series: int
    """The position among the series."""
    value: str
    """Of `each`; empty without."""
    is_news: bool = True
    """Whether it can fire anything: what was imported, or its value erased, cannot."""


class CallerKind:
    """Calls that count in the same sums."""

    __slots__ = ("by_span",)

    def __init__(self, counted: Sequence[Counted], series: Sequence[Series]) -> None:
        by_span: dict[Span, list[Counted]] = {}
        for each in counted:
            by_span.setdefault(series[each.series].span, []).append(each)
        self.by_span = list(by_span.items())
        """Sums that divide time alike are added to together."""


class Callers:
    """For one set of series, and one open record."""

    def __init__(self, series: Sequence[Series], feed: Feed) -> None:
        self._feed = feed
        self._by_filter: dict[Filter, list[int]] = {}
        for position, each in enumerate(series):
            self._by_filter.setdefault(each.filter, []).append(position)
        self._known = frozenset(at for at, each in enumerate(series) if each.span.kind == "known")
        filters = list(self._by_filter)
        self._positions = [self._by_filter[each] for each in filters]
        self._all = _matcher(filters, of_budget=False)
        self._proven = _matcher(filters, of_budget=True)
        self._series = series
        self._kinds: dict[tuple[int, int], CallerKind] = {}
        self._by_counted: dict[tuple[Counted, ...], CallerKind] = {}

    def of(self, pairs: set[tuple[int, int]]) -> Mapping[tuple[int, int], CallerKind]:
        """Return what calls of these classes and attributions count in."""
        known = self._kinds
        wanted = [pair for pair in pairs if pair not in known]
        if wanted:
            if len(known) + len(wanted) > _REMEMBERED:
                known = self._kinds = {pair: known[pair] for pair in pairs if pair in known}
                self._by_counted.clear()
            classes = self._feed.classes({pair[0] for pair in wanted})
            attributions = self._feed.attributions({pair[1] for pair in wanted})
            for pair in wanted:
                counted = self._of(classes[pair[0]], attributions[pair[1]])
                kind = self._by_counted.get(counted)
                if kind is None:
                    kind = self._by_counted[counted] = CallerKind(counted, self._series)
                known[pair] = kind
        return known

    def _of(self, said: Sequence[Any], whose: Attribution) -> tuple[Counted, ...]:
        call = attributes(
            whose.fields,
            whose.proven,
            provider=said[_PROVIDER],
            request_model=said[_REQUEST_MODEL],
            response_model=said[_MODEL],
            key_fingerprint=said[_KEY],
        )
        matches = self._all.judge(call).budgets
        if self._proven:
            matches += self._proven.judge(without_stated_customer(call, whose.proven)).budgets
        found = tuple(
            Counted(position, match.value or "", not is_erased_name(match.value))
            for match in matches
            for position in self._positions[int(match.budget.name)]
        )
        if IMPORTED in whose.fields:  # what was imported is known, and counts for nothing else
            return tuple(each._replace(is_news=False) for each in found if each.series in self._known)
        return found


def _matcher(filters: Sequence[Filter], *, of_budget: bool) -> Matcher:
    return Matcher(
        BudgetSet(
            budgets=tuple(
                Budget(
                    name=str(position),
                    where=dict(chosen.where),
                    each=chosen.each,
                    exempt=chosen.exempt,
                    limit_pico=1,
                    period=_EVER,
                )
                for position, chosen in enumerate(filters)
                if chosen.of_budget is of_budget
            )
        ),
        _VERDICTS_REMEMBERED,
    )
