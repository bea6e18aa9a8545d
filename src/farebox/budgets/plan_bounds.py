"""What a customer's plan charges at most for a kind of calls, as a table of rates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import ceil

from farebox.charges.highest_charge import ROUNDING_PICO, Highest, highest
from farebox.charges.live_charge import LivePlan
from farebox.charges.usage.conditions import matches
from farebox.charges.usage.consumption import DISTINCT_METERS, EVERYTHING, OUTCOME_METERS, TOKEN_METERS
from farebox.money import PICO_PER_USD
from farebox.pricing.exact import UnitPrice
from farebox.pricing.highest_prices import Band, RateTable

_LATER = frozenset(
    (
        "status",
        "error_class",
        "outcome",
        "completeness",
        "streamed",
        "surface",
        "host",
        "source",
        "cost_state",
    )
)
"""What is not looked at, or not known, before a call is sent: a charge for some of these may apply."""
_MODEL = frozenset(("model", "request_model"))
_INPUT, _OUTPUT = ("input", "read", "creation"), ("output", "reasoning")

Rate = tuple[Fraction, Fraction]
"""Pico-dollars a unit, and a factor on the cost of a unit."""


def most_charged(
    plan: LivePlan, dims: Mapping[str, str], cost: RateTable | None, at_ns: int
) -> RateTable | None:
    """Return what calls of these dimensions are charged at most; None where nothing bounds it.

    `cost` is what they cost at most, None where that is not known.
    """
    if at_ns < plan.charged_from_ns:
        return RateTable()
    dollars = plan.dollars(at_ns)
    if dollars is None:
        return None
    rates: dict[str, Rate] = dict.fromkeys(EVERYTHING, (Fraction(0), Fraction(0)))
    fixed, rounding = Fraction(0), 0
    left = set(EVERYTHING)
    is_left = True
    for charge in plan.plan.charges:
        known = {
            name: values
            for name, values in charge.where.items()
            if name not in _LATER and (name not in _MODEL or name in dims)
        }
        if charge.meter in OUTCOME_METERS or not matches(known, dims):
            continue
        most = highest(charge)
        classes = TOKEN_METERS.get(charge.meter)
        taken = set(EVERYTHING if classes is None else classes)
        if not charge.overlap:
            taken &= left
        whole = is_left or charge.overlap
        if classes is not None and taken:
            _add(rates, taken, most.unit * dollars * PICO_PER_USD, Fraction(0))
        elif charge.meter == "cost" and taken:
            if cost is None:
                return None
            _add(rates, taken, Fraction(0), most.unit)
        elif charge.meter == "seconds" and whole and most.unit:
            return None  # how long it takes is not known
        elif charge.meter == "calls" and whole:
            fixed += most.unit * dollars * PICO_PER_USD
        if charge.meter not in DISTINCT_METERS:
            fixed += _fixed(most, dollars)
            rounding += ROUNDING_PICO
        if not charge.overlap and len(known) == len(charge.where):
            left -= taken
            is_left = is_left and classes is not None
    return _table(rates, cost or RateTable(), ceil(fixed), rounding)


def _add(rates: dict[str, Rate], classes: Iterable[str], pico: Fraction, factor: Fraction) -> None:
    for each in classes:
        before = rates[each]
        rates[each] = before[0] + pico, before[1] + factor


def _fixed(most: Highest, dollars: Fraction) -> Fraction:
    return most.fixed * dollars * PICO_PER_USD


def _table(rates: Mapping[str, Rate], cost: RateTable, fixed: int, rounding: int) -> RateTable:
    def side(classes: Iterable[str], price: UnitPrice) -> UnitPrice:
        of_a_token = Fraction(price.numerator, price.denominator)
        most = max(rates[each][0] + rates[each][1] * of_a_token for each in classes)
        return UnitPrice(most.numerator, most.denominator)

    factor = rates["other"][1]
    highest_factor = max(rate[1] for rate in rates.values())
    return RateTable(
        tuple(Band(band.up_to, side(_INPUT, band.input), side(_OUTPUT, band.output)) for band in cost.bands),
        ceil(cost.request_pico * factor) + fixed,
        {leaf: price.times(factor.numerator, factor.denominator) for leaf, price in cost.counts.items()},
        ceil(cost.rounding_pico * highest_factor) + rounding,
    )
