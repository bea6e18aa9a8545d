"""What a charge's usage costs, exactly: the one place where a model meets a quantity.

`total` is the cost of a period so far. What more usage adds is the difference between two totals,
so that the parts of a period add up to it for every model, whatever the cuts; for volume tiers a
part can be negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction

import msgspec

from farebox.charges.amounts.allowances import free_units, less_free
from farebox.charges.amounts.commitments import with_overage
from farebox.charges.amounts.conversion import converted, rated_quantity, rated_units
from farebox.charges.models.bucketed import Bucketed, Inner
from farebox.charges.models.cost_plus import CostPlus
from farebox.charges.models.credits import CreditConversion
from farebox.charges.models.percentage import Percentage
from farebox.charges.models.volume import Volume
from farebox.charges.plan import Charge


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What one charge is applied to. A model looks at one of these; the others stay empty."""

    quantity: Fraction = Fraction(0)
    """In units of the meter; for cost-plus the cost in the customer's currency."""
    billed_quantity: Fraction | None = None
    """Of volume tiers: the units that are priced, where they are not the ones that choose the tier."""
    quantities: Mapping[str, Fraction] = {}
    """By name: of credit conversion, and of cost-plus with own costs of a unit."""
    events: tuple[Fraction, ...] = ()
    """Of a percentage: the amount of each event, in order."""
    buckets: Mapping[str, Fraction] = {}
    """Of a bucketed charge: what each hour or day has seen, by any name of it."""

    def __add__(self, more: Usage) -> Usage:
        """Return the usage of both: events follow each other, buckets of one name are one bucket."""
        return Usage(
            quantity=self.quantity + more.quantity,
            billed_quantity=_sum_of_billed(self, more),
            quantities=_merged(self.quantities, more.quantities),
            events=self.events + more.events,
            buckets=_merged(self.buckets, more.buckets),
        )


def amount(charge: Charge, usage: Usage, before: Usage | None = None) -> Fraction:
    """Return what `usage` costs after what `before` was already billed in the same period.

    Nothing billed is None; a bill over no usage is `Usage()`, and a first tier's flat amount that
    is due at zero was on it.
    """
    return total(charge, usage) if before is None else total(charge, before + usage) - total(charge, before)


def committed(charge: Charge, windows: Iterable[Usage]) -> Fraction:
    """Return what usage costs under the charge's commitment, of which each window has its own.

    A commitment for the period has one window; without a commitment windows are just added up.
    """
    agreed = charge.commitment
    totals = (total(charge, window) for window in windows)
    return sum(
        totals if agreed is None else (with_overage(each, agreed) for each in totals),
        Fraction(0),
    )


def total(charge: Charge, usage: Usage) -> Fraction:
    """Return what a period's usage costs, before discounts, minimum, maximum and rounding."""
    match charge.model:
        case Percentage() as model:
            return _percentage(charge, model, usage.events)
        case CreditConversion(credits_per_unit=worth) as model:
            return _of_named(charge, worth, model.credits_of, model.price, usage.quantities)
        case Bucketed(inner=inner):
            return sum(
                (_of_quantity(charge, inner, quantity) for quantity in usage.buckets.values()), Fraction(0)
            )
        case CostPlus(unit_costs=costs) as model if costs is not None:
            return _of_named(charge, costs, model.cost_of, model.total, usage.quantities)
        case model:
            return _of_quantity(charge, model, usage.quantity, usage.billed_quantity)


def _of_quantity(
    charge: Charge, model: Inner, quantity: Fraction, billed: Fraction | None = None
) -> Fraction:
    if quantity < 0:
        if charge.negative == "negate":
            return -_of_quantity(charge, model, -quantity, None if billed is None else -billed)
        quantity, billed = Fraction(0), None
    rated = rated_quantity(charge, quantity)
    return model.total(rated, billed) if isinstance(model, Volume) else model.total(rated)


def _of_named(
    charge: Charge,
    known: Mapping[str, object],
    in_common: Callable[[Mapping[str, Fraction]], Fraction],
    price: Callable[[Fraction], Fraction],
    quantities: Mapping[str, Fraction],
) -> Fraction:
    """Return what named quantities cost.

    What is free and what makes a block is in units of the quantity where a model knows one only; of
    several, in what they have in common: credits, or cost.
    """
    sign = 1
    if in_common(quantities) < 0:
        is_negated = charge.negative == "negate"
        sign = -1 if is_negated else 1
        quantities = {name: -quantity for name, quantity in quantities.items()} if is_negated else {}
    units = {name: converted(quantity, charge.conversion) for name, quantity in quantities.items()}
    if len(known) == 1:
        units = {name: rated_units(charge, max(units.get(name, Fraction(0)), Fraction(0))) for name in known}
        return sign * price(in_common(units))
    return sign * price(rated_units(charge, max(in_common(units), Fraction(0))))


def _percentage(charge: Charge, model: Percentage, events: tuple[Fraction, ...]) -> Fraction:
    """Return what events cost; what is free is used up in their order, and makes no event free."""
    if sum(events, Fraction(0)) < 0:
        if charge.negative == "zero":
            return Fraction(0)
        events = tuple(-event for event in events)
        return -model.total(_rated_events(charge, events))
    return model.total(_rated_events(charge, events))


def _rated_events(charge: Charge, events: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    units = tuple(converted(event, charge.conversion) for event in events)
    free = free_units(charge)
    return less_free(units, free) if free else units


def _sum_of_billed(one: Usage, other: Usage) -> Fraction | None:
    if one.billed_quantity is None and other.billed_quantity is None:
        return None
    return sum(
        (each.quantity if each.billed_quantity is None else each.billed_quantity for each in (one, other)),
        Fraction(0),
    )


def _merged(one: Mapping[str, Fraction], other: Mapping[str, Fraction]) -> dict[str, Fraction]:
    return {name: one.get(name, Fraction(0)) + other.get(name, Fraction(0)) for name in {**one, **other}}
