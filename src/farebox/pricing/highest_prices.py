"""The highest prices that can apply to a call before it is sent: what a token of it can cost at most.

Pure, like rating, and over the same plans. Which tier a call gets, which model serves it and how much of its
input is cached is known only afterwards, so every possibility is looked at and the most expensive one counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import msgspec

from farebox.money import PicoUsd
from farebox.pricing.book import PriceBook
from farebox.pricing.contracts.agreements import Agreement
from farebox.pricing.exact import UnitPrice, unit_price
from farebox.pricing.price_rows import EVER, NEVER
from farebox.pricing.prices_in_force import Plan
from farebox.wire.facts import INPUT_LEAVES, OUTPUT_LEAVES, Part

FREE = UnitPrice(0, 1)
ROUNDING_PICO = 64
"""Every line of a call's cost is rounded by itself: by half a pico-dollar, and there are fewer than this."""

_COMBINATIONS_MAX = 256
"""The facts on which a model's prices depend are few, and so are their values."""

_TEXT_IN = ("input", "cache_write", "cache_write_5m", "cache_write_1h")
_TEXT_OUT = ("output", "output_reasoning", "output_citation")


class Band(msgspec.Struct, frozen=True):
    """The highest rates of a request with up to `up_to` input tokens; None for any number."""

    up_to: int | None
    input: UnitPrice
    output: UnitPrice


class RateTable(msgspec.Struct, frozen=True):
    """What is charged at most, as a sum over what is used."""

    bands: tuple[Band, ...] = (Band(None, FREE, FREE),)
    """By rising input; the rates of a later band are at least those of an earlier one."""
    request_pico: PicoUsd = 0
    """For the call itself."""
    counts: Mapping[str, UnitPrice] = {}
    """For each unit of a leaf that is not a token: an image, a second, a search."""
    rounding_pico: PicoUsd = 0
    """What rounding may add; none where everything is free."""

    def amount(
        self, input_tokens: int, output_tokens: int, counts: Mapping[str, int] | None = None
    ) -> PicoUsd:
        """Return what a call is charged at most that uses no more than this, rounded up."""
        for band in self.bands:
            if band.up_to is None or input_tokens <= band.up_to:
                break
        rate_in, rate_out = band.input, band.output  # pyright: ignore[reportPossiblyUnboundVariable]  # there is one
        total = -(-input_tokens * rate_in[0] // rate_in[1]) - (-output_tokens * rate_out[0] // rate_out[1])
        if counts:
            for leaf, count in counts.items():
                rate = self.counts.get(leaf)
                if rate is not None:
                    total -= -count * rate[0] // rate[1]
        return total + self.request_pico + self.rounding_pico

    def times(self, numerator: int, denominator: int) -> RateTable:
        """Return the table with everything multiplied by a fraction."""
        factor = numerator, denominator
        bands = [
            Band(band.up_to, band.input.times(*factor), band.output.times(*factor)) for band in self.bands
        ]
        return RateTable(
            tuple(bands),
            -(-self.request_pico * numerator // denominator),
            {leaf: rate.times(*factor) for leaf, rate in self.counts.items()},
            -(-self.rounding_pico * numerator // denominator) + bool(self.rounding_pico),
        )

    def plus(self, pico: PicoUsd) -> RateTable:
        """Return the table with an amount added for the call itself."""
        return RateTable(self.bands, self.request_pico + pico, self.counts, self.rounding_pico)

    def joined(self, other: RateTable) -> RateTable:
        """Return a table that charges at least as much as either."""
        edges = {band.up_to for table in (self, other) for band in table.bands if band.up_to is not None}
        bands: list[Band] = []
        for edge in (*sorted(edges), None):
            mine, theirs = self._at(edge), other._at(edge)
            bands.append(Band(edge, highest(mine.input, theirs.input), highest(mine.output, theirs.output)))
        leaves = {*self.counts, *other.counts}
        counts = {leaf: highest(self.counts.get(leaf, FREE), other.counts.get(leaf, FREE)) for leaf in leaves}
        fee, rounding = (
            max(self.request_pico, other.request_pico),
            max(self.rounding_pico, other.rounding_pico),
        )
        return RateTable(tuple(bands), fee, counts, rounding)

    def _at(self, edge: int | None) -> Band:
        if edge is None:
            return self.bands[-1]
        return next(band for band in self.bands if band.up_to is None or edge <= band.up_to)


class HighestPrices(msgspec.Struct, frozen=True):
    """What a kind of call costs at most, valid within `[start_ns, end_ns)`."""

    cost: RateTable | None
    """None where the model has no price for what the call may use."""
    charge: RateTable | None
    """What a customer without a plan is charged."""
    priced_models: tuple[str, ...]
    """The models under which prices were found."""
    missing: tuple[str, ...]
    """Leaves that the call may use and that have no price."""
    start_ns: int
    end_ns: int


class Uses(msgspec.Struct, frozen=True):
    """What a kind of call may use: the leaves of its usage."""

    input: tuple[str, ...] = INPUT_LEAVES
    output: tuple[str, ...] = OUTPUT_LEAVES
    counts: tuple[str, ...] = ()


def highest_prices(
    book: PriceBook,
    provider: str,
    models: Sequence[str | None],
    facts: Mapping[str, Sequence[str | None]],
    uses: Uses,
    *,
    at_ns: int,
    attribution: Mapping[str, str] | None = None,
) -> HighestPrices:
    """Return what a call costs at most.

    `models` are those that may serve it. `facts` gives for each fact the values it may have, None for
    not being stated; one that is not among them can have any value that some price is for.
    """
    cost = charge = None
    is_priced = True
    missing, found = set[str](), list[str]()
    start, end = EVER, NEVER
    for model in models:
        for plan in _plans(book, provider, model, facts, at_ns, attribution):
            start, end = max(start, plan.start_ns), min(end, plan.end_ns)
            if plan.model and plan.model not in found:
                found.append(plan.model)
            agreement = plan.agreement if isinstance(plan.agreement, Agreement) else None
            bought = _table(plan if agreement is None else agreement.contracted, uses)
            if plan.no_charge is not None:
                bought = _Found(RateTable(), ())
            missing.update(bought.missing)
            if bought.table is None:
                is_priced = False
                continue
            cost = bought.table if cost is None else cost.joined(bought.table)
            charged = bought.table
            if plan.markup is not None:
                charged = charged.times(plan.markup.numerator, plan.markup.denominator)
            charge = charged if charge is None else charge.joined(charged)
    return HighestPrices(
        cost=cost if is_priced else None,
        charge=charge if is_priced else None,
        priced_models=tuple(found),
        missing=tuple(sorted(missing)),
        start_ns=start,
        end_ns=end,
    )


def highest_known(book: PriceBook, provider: str, *, at_ns: int) -> RateTable | None:
    """Return the highest rates of a token that any model of a provider has; None where none has a price.

    Rates of sound, pictures and video are left out: a model that nobody knows is taken for one of text. The
    second list counts only where there is no other: it has prices per thousand tokens written as per token.
    """
    known = book.provider(provider)
    if known is None:
        return None
    base = book.provider(known.overlay.prices_of) if known.overlay.prices_of else None
    lists = (known, base) if base is not None else (known,)
    rate_in = rate_out = FREE
    for prices in lists:
        first = (*prices.models, *prices.overlay.models)
        listed = any(model.rows for model in prices.models)
        for row in (row for model in (first if listed else (*first, *prices.others)) for row in model.rows):
            if row.from_ns > at_ns:
                continue
            if row.when.get("processing") == "batch":
                continue
            for quotes in (row.quotes, *(tier.quotes for tier in row.tiers)):
                for name, quote in quotes.items():
                    if name in _TEXT_IN:
                        rate_in = highest(rate_in, unit_price(quote.usd, quote.per))
                    elif name in _TEXT_OUT:
                        rate_out = highest(rate_out, unit_price(quote.usd, quote.per))
    if not rate_in[0] and not rate_out[0]:
        return None
    return RateTable((Band(None, rate_in, rate_out),), rounding_pico=ROUNDING_PICO)


def highest(one: UnitPrice, other: UnitPrice) -> UnitPrice:
    """Return the higher of two prices."""
    return one if one[0] * other[1] >= other[0] * one[1] else other


class _Found(NamedTuple):
    """A plan's rates, and the leaves for which it has none."""

    table: RateTable | None
    missing: tuple[str, ...]


def _plans(
    book: PriceBook,
    provider: str,
    model: str | None,
    facts: Mapping[str, Sequence[str | None]],
    at_ns: int,
    attribution: Mapping[str, str] | None,
) -> Iterator[Plan]:
    """Yield the plan of every combination of facts that makes a difference for a model."""

    def plan(stated: Mapping[str, str]) -> Plan:
        return book.plan_of(_part(provider, model, stated), at_ns, attribution)

    certain = {name: values[0] for name, values in facts.items() if len(values) == 1 and values[0]}
    first = plan(certain)
    selecting: dict[str, set[str]] = {}
    for when in first.conditions():
        for name, value in when.items():
            selecting.setdefault(name, set()).add(value.removeprefix("!"))
    open_facts = {
        name: [None, *sorted(values)] if name not in facts else list(facts[name])
        for name, values in sorted(selecting.items())
        if name not in certain
    }
    yield first
    for number, values in enumerate(product(*open_facts.values())):
        stated = {name: value for name, value in zip(open_facts, values, strict=True) if value is not None}
        if stated and number < _COMBINATIONS_MAX:
            yield plan({**certain, **stated})


def _part(provider: str, model: str | None, facts: Mapping[str, str]) -> Part:
    return Part(provider=provider, request_model=model, response_model=model, facts=dict(facts))


def _table(plan: Plan, uses: Uses) -> _Found:
    """Return the rates of one plan, each band's at least those of the one below."""
    bands: list[Band] = []
    missing: set[str] = set()
    rate_in = rate_out = FREE
    priced = False
    for number in range(len(plan.bands)):
        for leaves, is_input in ((uses.input, True), (uses.output, False)):
            for leaf in leaves:
                line = plan.line(leaf, number)
                if line is None:
                    missing.add(leaf)
                    continue
                priced = True
                rate = UnitPrice(line.numerator, line.denominator)
                if is_input:
                    rate_in = highest(rate_in, rate)
                else:
                    rate_out = highest(rate_out, rate)
        up_to = plan.thresholds[number] if number < len(plan.thresholds) else None
        bands.append(Band(up_to, rate_in, rate_out))
    counts: dict[str, UnitPrice] = {}
    for leaf in ("requests", *uses.counts):
        lines = [line for number in range(len(plan.bands)) if (line := plan.line(leaf, number)) is not None]
        if lines:
            priced = True
            for line in lines:
                rate = UnitPrice(line.numerator, line.denominator)
                counts[leaf] = highest(counts.get(leaf, FREE), rate)
        elif not plan.is_included(leaf):
            missing.add(leaf)
    fee = counts.pop("requests", FREE)
    is_free = not any(rate[0] for rate in (rate_in, rate_out, fee, *counts.values()))
    table = RateTable(tuple(bands), -(-fee[0] // fee[1]), counts, 0 if is_free else ROUNDING_PICO)
    return _Found(table if priced else None, tuple(sorted(missing)))
