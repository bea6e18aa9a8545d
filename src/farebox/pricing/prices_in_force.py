"""Which prices are in force for one kind of call, and until when.

A plan is what a model, its facts and a moment resolve to. It holds for a half-open interval of
time, so that the next call like it only multiplies.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec

from farebox.pricing.exact import UnitPrice, ratio, shown, unit_price
from farebox.pricing.facts import PriceSource
from farebox.pricing.price_rows import (
    DAY_S,
    EVER,
    NEVER,
    Adjustment,
    Leaf,
    NoCharge,
    PriceRow,
    Quote,
    Window,
)
from farebox.wire.facts import Quantity

_NS = 10**9


class Layer(msgspec.Struct, frozen=True):
    """The rows of one source for one model, in the order `rows_in_force` expects."""

    source: PriceSource
    model: str
    rows: tuple[PriceRow, ...]
    with_variants: bool = True


class Markup(msgspec.Struct, frozen=True):
    """What the customer pays for a dollar of cost, exactly, and as people write it."""

    numerator: int
    denominator: int
    shown: Decimal


class LinePrice(msgspec.Struct, frozen=True):
    """Everything a cost line says about its price."""

    numerator: int
    denominator: int
    shown: Decimal
    price_id: str
    source: PriceSource
    effective_from: str | None
    contracted: Decimal | None = None
    """The same price under a provider's contract; `shown` is the list's then."""


class Plan:
    """Resolved prices of one kind of call within `[start_ns, end_ns)`."""

    __slots__ = (
        "_adjustments",
        "_every_adjustment",
        "_factor",
        "_layers",
        "_leaves",
        "_listed",
        "agreement",
        "bands",
        "charges_requests",
        "end_ns",
        "is_empty",
        "markup",
        "minimums",
        "model",
        "no_charge",
        "start_ns",
        "thresholds",
    )

    def __init__(
        self,
        layers: Sequence[Layer],
        leaves: Mapping[str, Leaf],
        facts: Mapping[str, str],
        at_ns: int,
        *,
        adjustments: Sequence[Adjustment] = (),
        minimums: Mapping[str, Quantity] | None = None,
        no_charge: NoCharge | None = None,
        markup: Markup | None = None,
        model: str | None = None,
        listed: Plan | None = None,
        factor: tuple[Decimal, str] | None = None,
    ) -> None:
        """`listed` is the plan without the contract; `factor` what that leaves of a price, and its name."""
        self._leaves = leaves
        self._listed = listed
        self._factor = factor
        self.agreement: object | None = None
        """The contracts that cover calls of this plan; None for most."""
        self.model = model
        self.minimums = minimums or {}
        self.no_charge = no_charge
        self.markup = markup
        self.start_ns, self.end_ns = interval(
            [row for layer in layers for row in layer.rows], [each.from_ns for each in adjustments], at_ns
        )
        self._layers = [(layer, rows_in_force(layer, facts, at_ns)) for layer in layers]
        self._every_adjustment = adjustments
        self._adjustments = [
            each for each in adjustments if each.from_ns <= at_ns and holds(each.when, facts)
        ]
        above = {tier.above for _, rows in self._layers for row in rows for tier in row.tiers}
        self.thresholds = sorted(above)
        """Sizes of input above which the whole request costs more; empty for most models."""
        self.bands: list[dict[str, LinePrice | None]] = [{} for _ in range(len(self.thresholds) + 1)]
        """Resolved prices by leaf, a table per band between thresholds, filled as needed."""
        self.is_empty = not any(row.quotes for _, rows in self._layers for row in rows)
        """True where no source has any price in force."""
        self.charges_requests = self.line("requests", 0) is not None

    def band(self, input_tokens: int) -> int:
        """Return the band of a request with that much input: a tier starts above its threshold."""
        return bisect_left(self.thresholds, input_tokens)

    def line(self, leaf: str, band: int) -> LinePrice | None:
        """Return the price of `leaf`, None where there is none."""
        table = self.bands[band]
        if leaf not in table:
            table[leaf] = self._resolve(leaf, band)
        return table[leaf]

    def conditions(self) -> Iterator[Mapping[str, str]]:
        """Yield the facts by which other prices would have been selected."""
        for layer, _ in self._layers:
            if layer.with_variants:
                yield from (row.when for row in layer.rows if row.when)
        yield from (each.when for each in self._every_adjustment if each.when)

    def is_included(self, leaf: str) -> bool:
        """True where a leaf without a price is free."""
        known = self._leaves.get(leaf)
        return known is not None and known.included

    def _resolve(self, leaf: str, band: int) -> LinePrice | None:
        known = self._leaves.get(leaf)
        if known is None:
            return None
        above = self.thresholds[band - 1] if band else -1
        for name in known.paid_by:
            for layer, rows in self._layers:
                for row in rows:
                    if name in row.quotes:
                        agreed = layer.source in ("user", "contract")
                        adjust = self._adjustments if known.is_tokens and not agreed else ()
                        line = _line(layer.source, row, name, above, adjust)
                        return line if self._listed is None else self._contracted(line, leaf, band)
        return None

    def _contracted(self, line: LinePrice, leaf: str, band: int) -> LinePrice:
        """Return a line's price under the contract, beside the list's."""
        price = UnitPrice(line.numerator, line.denominator)
        agreed, identity, source = line.shown, line.price_id, line.source
        if self._factor is not None and source != "contract":
            factor, contract = self._factor
            price, agreed = price.times(*ratio(factor)), agreed * factor
            identity, source = f"{identity}*{factor.normalize():f}({contract})", "contract"
        listed = self._listed.line(leaf, band) if self._listed is not None else None
        return LinePrice(
            price.numerator,
            price.denominator,
            agreed if listed is None else listed.shown,
            identity,
            source,
            line.effective_from,
            agreed if source == "contract" else None,
        )


def _line(
    source: PriceSource, row: PriceRow, name: str, above: int, adjustments: Sequence[Adjustment]
) -> LinePrice:
    quote, mark = _tiered(row, name, above)
    price = unit_price(quote.usd, quote.per)
    per_unit = shown(quote.usd, quote.per)
    identity = f"{row.id}#{name}{mark}"
    for adjustment in adjustments:
        factor = Decimal(adjustment.multiply)
        price = UnitPrice(*price).times(*ratio(factor))
        per_unit *= factor
        identity += f"*{adjustment.multiply}({adjustment.id})"
        source = "overlay"
    return LinePrice(price.numerator, price.denominator, per_unit, identity, source, row.effective_from)


def _tiered(row: PriceRow, name: str, above: int) -> tuple[Quote, str]:
    """Return the quotation of the highest tier reached, and its mark in the price id."""
    for tier in reversed(row.tiers):
        if tier.above <= above and name in tier.quotes:
            return tier.quotes[name], f">{tier.above}"
    return row.quotes[name], ""


def rows_in_force(layer: Layer, facts: Mapping[str, str], at_ns: int) -> list[PriceRow]:
    """Return the rows that apply, those selected by facts before the standard one.

    Within one condition the last row in force counts; each price is taken from the first row
    returned here that quotes it.
    """
    chosen: dict[tuple[tuple[str, str], ...], PriceRow] = {}
    for row in layer.rows:
        if row.from_ns <= at_ns and in_window(row.window, at_ns) and holds(row.when, facts):
            chosen[tuple(row.when.items())] = row
    standard = chosen.pop((), None)
    selected = list(chosen.values()) if layer.with_variants else []
    return selected if standard is None else [*selected, standard]


def holds(when: Mapping[str, str], facts: Mapping[str, str]) -> bool:
    """Return whether every condition is among the facts; `!global` matches any value except that one."""
    return all(
        facts.get(key, value[1:]) != value[1:] if value.startswith("!") else facts.get(key) == value
        for key, value in when.items()
    )


def in_window(window: Window | None, at_ns: int) -> bool:
    """Return whether a moment lies in the window's hours of its days, UTC."""
    if window is None:
        return True
    day, second = divmod(at_ns // _NS, DAY_S)
    weekday = (day + 3) % 7  # 1970-01-01 was a Thursday
    today = window.days >> weekday & 1
    if window.start_s < window.end_s:
        return bool(today) and window.start_s <= second < window.end_s
    yesterday = window.days >> (weekday - 1) % 7 & 1
    return bool(today and second >= window.start_s) or bool(yesterday and second < window.end_s)


def interval(rows: Sequence[PriceRow], others: Sequence[int], at_ns: int) -> tuple[int, int]:
    """Return the longest half-open interval around a moment in which nothing can change."""
    midnight = at_ns // (DAY_S * _NS) * DAY_S
    edges = [*others]
    for row in rows:
        edges.append(row.from_ns)
        if row.window is not None:
            for day in (-DAY_S, 0, DAY_S):
                edges.append((midnight + day + row.window.start_s) * _NS)
                edges.append((midnight + day + row.window.end_s) * _NS)
    start = max((edge for edge in edges if edge <= at_ns), default=EVER)
    end = min((edge for edge in edges if edge > at_ns), default=NEVER)
    return start, end
