"""Compare price lists: what was added, changed or removed, and which changes need an acknowledgement.

Pure. Prices are compared per single unit, row by row, where condition and hours are the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import msgspec

from farebox.pricing.exact import shown
from farebox.pricing.price_rows import EVER, PricedModel, PriceRow, ProviderPrices, Quote

MOVED_MAX = 5
"""A price that changes by more than this factor needs an acknowledgement."""

MEDIAN_MAX = 10
"""Where half of all prices move by more than this, the units are wrong and not the prices."""

Kind = Literal["new model", "new price", "moved", "removed"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference between two lists."""

    kind: Kind
    provider: str
    model: str
    unit: str | None = None
    when: dict[str, str] = {}
    above: int = 0
    """Of requests with more input tokens than this."""
    before_usd: Decimal | None = None
    """Per single unit."""
    after_usd: Decimal | None = None
    """None: it would have no price any more."""
    effective_from: str | None = None
    observed: bool = False

    @property
    def too_far(self) -> bool:
        ratio = moved(self.before_usd, self.after_usd)
        return ratio is not None and ratio > MOVED_MAX


class Comparison(msgspec.Struct, frozen=True):
    """What a new list changes, and the rows that have to be appended for it."""

    changes: tuple[Change, ...]
    appended: dict[str, tuple[PricedModel, ...]]
    median: Fraction | None
    """The median factor by which the prices known before changed."""

    @property
    def removed(self) -> list[Change]:
        return [change for change in self.changes if change.kind == "removed"]

    @property
    def too_far(self) -> list[Change]:
        return [change for change in self.changes if change.too_far]

    @property
    def has_wrong_units(self) -> bool:
        return self.median is not None and self.median > MEDIAN_MAX


def moved(before: Decimal | None, after: Decimal | None) -> Fraction | None:
    """Return by what factor a price went up or down, at least 1; None where there is nothing to compare.

    To and from zero is further than any factor.
    """
    if before is None or after is None:
        return None
    if before == after:
        return Fraction(1)
    if not before or not after:
        return Fraction(10**9)
    (up, of), (was, per) = after.as_integer_ratio(), before.as_integer_ratio()
    return max(Fraction(up * per, of * was), Fraction(of * was, up * per))


def median(ratios: Iterable[Fraction]) -> Fraction | None:
    """Return the median, the lower of two; None of no values."""
    ordered = sorted(ratios)
    return ordered[(len(ordered) - 1) // 2] if ordered else None


def compared(
    known: Mapping[str, ProviderPrices],
    incoming: Mapping[str, ProviderPrices],
    *,
    seen_ns: int,
    seen: str,
    retired: Mapping[str, Collection[str]] | None = None,
) -> Comparison:
    """Return what `incoming` changes; a price that moved without a date holds from `seen`.

    A provider or model that `incoming` does not have was removed from it, unless it is known to be
    `retired`.
    """
    changes: list[Change] = []
    appended: dict[str, tuple[PricedModel, ...]] = {}
    ratios: list[Fraction] = []
    for name, theirs in incoming.items():
        ours = {model.id: model for model in known[name].models} if name in known else {}
        fresh: list[PricedModel] = []
        for model in theirs.models:
            old = ours.pop(model.id, None)
            if old is None:
                if model.rows:
                    fresh.append(model)
                    changes.append(Change(kind="new model", provider=name, model=model.id))
                continue
            rows = list(_appended(name, old, model, seen_ns, seen, changes, ratios))
            if rows:
                fresh.append(msgspec.structs.replace(model, rows=tuple(rows)))
        gone = (retired or {}).get(name, ())
        changes += [
            Change(kind="removed", provider=name, model=model.id)
            for model in ours.values()
            if model.rows and model.id not in gone
        ]
        if fresh:
            appended[name] = tuple(fresh)
    return Comparison(tuple(changes), appended, median(ratios))


def _is_past(row: PriceRow, rows: Iterable[PriceRow], seen_ns: int) -> bool:
    """Return whether another row took a row's place before it was seen."""
    return any(
        (each.when, each.window) == (row.when, row.window) and row.from_ns < each.from_ns <= seen_ns
        for each in rows
    )


def _appended(
    provider: str,
    old: PricedModel,
    new: PricedModel,
    seen_ns: int,
    seen: str,
    changes: list[Change],
    ratios: list[Fraction],
) -> Iterable[PriceRow]:
    for row in new.rows:
        alike = [each for each in old.rows if each.when == row.when and each.window == row.window]
        same_start = [each for each in alike if each.from_ns == row.from_ns]
        if same_start and _is_past(row, new.rows, seen_ns):
            continue  # what it said of the past is not edited, and from now on another row holds
        before = max(alike, key=lambda each: each.from_ns, default=None)
        if same_start:
            # A row without a date is compared with the newest observed row since.
            observed = [each for each in alike if each.observed and each.from_ns > row.from_ns]
            before = observed[-1] if observed else same_start[-1]
        for above, unit in _priced(before, row):
            was = _quote(before, above, unit) if before is not None else None
            quote = _quote(row, above, unit)
            before_usd = None if was is None else shown(was.usd, was.per)
            after_usd = None if quote is None else shown(quote.usd, quote.per)
            ratio = moved(before_usd, after_usd)
            if ratio is not None and not above:
                ratios.append(ratio)
            if ratio != 1:
                changes.append(
                    Change(
                        kind="new price" if was is None else "moved",
                        provider=provider,
                        model=new.id,
                        unit=unit,
                        when=row.when,
                        above=above,
                        before_usd=before_usd,
                        after_usd=after_usd,
                        effective_from=seen if same_start else row.effective_from,
                        observed=bool(same_start),
                    )
                )
        if not same_start:
            yield row
        elif before is not None and (before.quotes != row.quotes or before.tiers != row.tiers):
            stamp = f"/{seen}"
            start = f"/{row.effective_from or 'ever'}"
            head, _, tail = row.id.rpartition(start)
            yield msgspec.structs.replace(
                row,
                id=f"{head}{stamp}{tail}~observed" if head else f"{row.id}{stamp}~observed",
                from_ns=max(seen_ns, EVER),
                effective_from=seen,
                observed=True,
            )


def _priced(before: PriceRow | None, after: PriceRow) -> Iterable[tuple[int, str]]:
    """Yield every unit that has a price: in requests of any size, and above each threshold of either row."""
    rows = (after,) if before is None else (before, after)
    yield from ((0, unit) for unit in dict.fromkeys(unit for row in rows for unit in row.quotes))
    for above in sorted({tier.above for row in rows for tier in row.tiers}):
        tiers = [tier for row in rows for tier in row.tiers if tier.above == above]
        yield from ((above, unit) for unit in dict.fromkeys(unit for tier in tiers for unit in tier.quotes))


def _quote(row: PriceRow, above: int, unit: str) -> Quote | None:
    """Return what a unit costs in a request just larger than `above`, as the rating has it."""
    for tier in reversed(row.tiers):
        if above and tier.above <= above and unit in tier.quotes:
            return tier.quotes[unit]
    return row.quotes.get(unit)
