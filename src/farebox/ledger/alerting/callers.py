"""Which sums a call counts in: decided once for calls that are alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from farebox.budgets.budget import Budget, BudgetSet, Period
from farebox.budgets.matching import Matcher, attributes, without_stated_customer
from farebox.journal.records import IMPORTED
from farebox.ledger.alerting.series import Filter, Series, Span
from farebox.ledger.append.dictionaries import is_erased_name
from farebox.ledger.feed import CLASS_COLUMNS, Attribution, Feed

_REMEMBERED = 2_048
_VERDICTS_REMEMBERED = 64
_PROVIDER, _MODEL, _REQUEST_MODEL, _KEY = (
    CLASS_COLUMNS.index(name) for name in ("provider", "model", "request_model", "key_fingerprint")
)
_EVER = Period("ever")


class Counted(NamedTuple):
    """Sums that a call counts in, of whatever value."""

    number: int
    """Of the series."""
    series: Series
    amounts: Callable[[Sequence[int]], Sequence[int]]
    """Takes those that it keeps out of a group's sums."""


BySpan = list[tuple[Span, list[Counted]]]
"""Sums that divide time alike are added to together."""


class Share:
    """Sums that calls count in under one value; what counts in the same ones is added together first."""

    __slots__ = ("by_span", "is_news", "value")

    def __init__(self, by_span: BySpan, value: str, *, is_news: bool) -> None:
        self.by_span = by_span
        self.value = value
        """Of `each`; empty without."""
        self.is_news = is_news
        """Whether it can fire anything: what was imported, or its value erased, cannot."""


class Callers:
    """For one set of series, by their numbers, and one open record."""

    def __init__(
        self, series: Sequence[Series], numbers: Sequence[int], columns: Sequence[int], feed: Feed
    ) -> None:
        """`columns`: which of `row_groups.COLUMNS` a group's sums are, in order."""
        self._feed = feed
        places = {column: place for place, column in enumerate(columns)}
        by_filter: dict[Filter, list[Counted]] = {}
        for number, each in zip(numbers, series, strict=True):
            taken = _taken([places[column] for column in each.columns])
            by_filter.setdefault(each.filter, []).append(Counted(number, each, taken))
        filters = list(by_filter)
        self._counted = list(by_filter.values())
        self._all = _matcher(filters, of_budget=False)
        self._proven = _matcher(filters, of_budget=True)
        self._shares_of: dict[tuple[int, int], tuple[Share, ...]] = {}
        self._shares: dict[tuple[tuple[int, ...], bool, str], Share] = {}
        self._spans: dict[tuple[tuple[int, ...], bool], BySpan] = {}

    def of(self, pairs: set[tuple[int, int]]) -> Mapping[tuple[int, int], tuple[Share, ...]]:
        """Return what calls of these classes and attributions count in."""
        known = self._shares_of
        wanted = [pair for pair in pairs if pair not in known]
        if wanted:
            if len(known) + len(wanted) > _REMEMBERED:
                known = self._shares_of = {pair: known[pair] for pair in pairs if pair in known}
                self._shares.clear()
                self._spans.clear()
            classes = self._feed.classes({pair[0] for pair in wanted})
            attributions = self._feed.attributions({pair[1] for pair in wanted})
            for pair in wanted:
                known[pair] = self._of(classes[pair[0]], attributions[pair[1]])
        return known

    def _of(self, said: Sequence[Any], whose: Attribution) -> tuple[Share, ...]:
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
        by_value: dict[str, list[int]] = {}
        for match in matches:
            by_value.setdefault(match.value or "", []).append(int(match.budget.name))
        is_imported = IMPORTED in whose.fields
        return tuple(self._share(tuple(found), value, is_imported) for value, found in by_value.items())

    def _share(self, filters: tuple[int, ...], value: str, is_imported: bool) -> Share:
        key = filters, is_imported, value
        share = self._shares.get(key)
        if share is None:
            is_news = not is_imported and not is_erased_name(value)
            share = self._shares[key] = Share(self._by_span(filters, is_imported), value, is_news=is_news)
        return share

    def _by_span(self, filters: tuple[int, ...], is_imported: bool) -> BySpan:
        found = self._spans.get((filters, is_imported))
        if found is None:
            by_span: dict[Span, list[Counted]] = {}
            for at in filters:
                for each in self._counted[at]:
                    # What was imported is known, and counts for nothing else.
                    if not is_imported or each.series.span.kind == "known":
                        by_span.setdefault(each.series.span, []).append(each)
            found = self._spans[filters, is_imported] = list(by_span.items())
        return found


def _taken(places: Sequence[int]) -> Callable[[Sequence[int]], Sequence[int]]:
    return itemgetter(*places) if len(places) > 1 else lambda sums: [sums[place] for place in places]


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
