"""Outcomes and scores of a span, and what a good one cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

import msgspec

from farebox.analytics.dimensions import DIMENSIONS, TAG, is_tag
from farebox.analytics.schema import tags_of
from farebox.ledger.outcomes import Kind, OutcomeRow
from farebox.server.api.coverage.coverage_views import Coverage
from farebox.server.api.errors import invalid_parameter
from farebox.server.api.filters import Selection
from farebox.server.api.queries import Reader, Sources
from farebox.server.api.spending import reports
from farebox.server.api.spending import spend_views as views

GOOD = Decimal("0.5")
NAMES_MAX = 200
_DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?")
_END = 2**63 - 1


class QualityResult(msgspec.Struct, kw_only=True):
    """The outcomes, or the scores, of one name."""

    name: str
    count: int
    good: int
    """Those with a value of `good_from` or more, and outcomes without a value."""
    average: views.Text | None
    """Of those that have a value, four decimals."""
    cost_per_good_pico: views.Text | None
    """The cost of the span's calls, for each good one, rounded down; None where there is none."""


class Quality(msgspec.Struct, kw_only=True):
    """`GET /api/v1/quality`."""

    span: views.Span
    good_from: views.Text
    outcomes: list[QualityResult]
    scores: list[QualityResult]
    """Most frequent first."""
    cost_pico: views.Text
    at_least: bool
    """Some calls have no cost yet: so costs are lower bounds."""
    calls: int
    left_out: list[str]
    """Filters that outcomes and scores have no value for: they narrow the calls alone."""
    coverage: Coverage


def read_good(query: Mapping[str, str]) -> Decimal:
    """Return from which value on a score is good."""
    text = query.get("good", str(GOOD))
    if not _DECIMAL.fullmatch(text):
        raise invalid_parameter("good", text, ["a decimal number such as 0.5"])
    return Decimal(text)


def quality(sources: Sources, selection: Selection, good: Decimal, cover: reports.Cover) -> Quality:
    """Return what came of the work, and what it cost."""
    window = selection.window
    (total,) = sources.questions.totals(selection.asked)
    covered = cover(sources.reader, window.since_ns, window.until_ns)
    where = {name: values for name, values in selection.where.items() if _is_stated(name)}
    kinds: tuple[Kind, Kind] = ("outcome", "score")
    outcomes, scores = (
        _results(sources.reader, kind, window.since_ns or 0, window.until_ns, where, good, total.cost_pico)
        for kind in kinds
    )
    return Quality(
        span=reports.span_of(selection),
        good_from=str(good),
        outcomes=outcomes,
        scores=scores,
        cost_pico=str(total.cost_pico),
        at_least=total.unpriced_calls > 0 or not covered.complete,
        calls=total.calls,
        left_out=[name for name in selection.where if name not in where],
        coverage=covered,
    )


class _Tally:
    def __init__(self) -> None:
        self.count = self.good = self.valued = 0
        self.total = Decimal(0)

    def add(self, row: OutcomeRow, good: Decimal, *, counts_without_value: bool) -> None:
        self.count += row.sign
        value = _number(row.value)
        if value is None:
            self.good += row.sign * (counts_without_value and row.value is None)
            return
        self.valued += row.sign
        self.total += row.sign * value
        self.good += row.sign * (value >= good)


def _results(
    reader: Reader,
    kind: Kind,
    since_ns: int,
    until_ns: int,
    where: Mapping[str, list[str]],
    good: Decimal,
    cost_pico: int,
) -> list[QualityResult]:
    found: dict[str, _Tally] = {}

    def take(row: OutcomeRow) -> None:
        if _is_wanted(row, where):
            tally = found.setdefault(row.name, _Tally())
            tally.add(row, good, counts_without_value=kind == "outcome")

    reader.each_result(kind, since_ns, min(until_ns, _END), take)
    named = sorted(
        (item for item in found.items() if item[1].count > 0), key=lambda item: (-item[1].count, item[0])
    )
    return [
        QualityResult(
            name=name,
            count=tally.count,
            good=tally.good,
            average=f"{tally.total / tally.valued:.4f}" if tally.valued else None,
            cost_per_good_pico=str(cost_pico // tally.good) if tally.good > 0 else None,
        )
        for name, tally in named[:NAMES_MAX]
    ]


def _is_stated(name: str) -> bool:
    """Tell whether outcomes and scores can have a dimension: they say whose work it was."""
    return is_tag(name) or (DIMENSIONS[name].origin == "attribution" and name != "verified")


def _is_wanted(row: OutcomeRow, where: Mapping[str, list[str]]) -> bool:
    fields = row.attribution.fields
    for name, wanted in where.items():
        value = tags_of(fields).get(name[len(TAG) :].lower()) if is_tag(name) else fields.get(name)
        if (value or "") not in wanted:
            return False
    return True


def _number(text: str | None) -> Decimal | None:
    try:
        found = None if text is None else Decimal(text)
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() else None
