"""What a charge can come to at most for a call, whatever its period has seen before: budgets hold that.

Of tiers every one may be reached: the highest unit price counts, and every flat amount that entering them
makes due; of volume tiers also what a more expensive tier adds to the units before it. Included units are
taken for used up.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from farebox.charges.live_charge import LivePlan, consumed
from farebox.charges.models import (
    Bucketed,
    CostPlus,
    CreditConversion,
    Graduated,
    GraduatedPercentage,
    Model,
    Package,
    Percentage,
    Standard,
    Volume,
)
from farebox.charges.models.tiers import Tier
from farebox.charges.plan import Charge
from farebox.charges.usage.cells import Cell
from farebox.money import PICO_PER_USD, PicoUsd

ROUNDING_PICO = 2
"""What rounding may add to each charge."""


class Highest(NamedTuple):
    """The most that usage of a charge costs: `unit` for each raw unit of its meter, and `fixed` once."""

    unit: Fraction
    fixed: Fraction


def highest(charge: Charge) -> Highest:
    """Return the most that a call's usage of a charge costs, in the plan's currency."""
    scale, more = Fraction(1), Fraction(0)
    if charge.conversion is not None:
        factor = Fraction(charge.conversion.factor)
        scale = factor if charge.conversion.operation == "multiply" else 1 / factor
        more = Fraction(0 if charge.conversion.rounding == "none" else 1)
    of_events = isinstance(charge.model, Percentage)  # they are neither put into blocks nor rounded up
    if charge.block_size is not None and not of_events:
        size = Fraction(charge.block_size)
        scale, more = scale / size, more / size + 1
    if charge.round_up_to is not None and not of_events:
        more += Fraction(charge.round_up_to)
    unit, fixed = _of_model(charge.model, charge.meter)
    return Highest(unit * scale, fixed + unit * more)


def highest_amount(plan: LivePlan, call: Cell) -> PicoUsd | None:
    """Return the most that a call of known usage is charged; None as for a live charge."""
    if (call.start_ns or 0) < plan.charged_from_ns:
        return 0
    dollars = plan.dollars(call.start_ns or 0)
    if dollars is None:
        return None
    amount = 0
    for charge, quantity in zip(plan.plan.charges, consumed(plan.plan.charges, call), strict=True):
        if quantity:
            most = highest(charge)
            if charge.meter == "cost":
                quantity /= dollars
            amount += -int(-(quantity * most.unit + most.fixed) * dollars * PICO_PER_USD // 1) + ROUNDING_PICO
    return amount


def _of_model(model: Model, meter: str) -> Highest:
    match model:
        case Standard():
            return Highest(Fraction(model.unit) / Fraction(model.per), Fraction(0))
        case Package():
            return Highest(Fraction(model.amount) / Fraction(model.size), Fraction(model.amount))
        case CostPlus():
            if model.unit_costs is not None:
                return Highest(Fraction(model.unit_costs.get(meter, 0)) * model.factor, Fraction(0))
            return Highest(model.factor, Fraction(0))
        case Percentage():
            fixed = Fraction(model.fixed_per_event) + Fraction(model.event_minimum or 0)
            return Highest(Fraction(model.rate_percent) / 100, fixed)
        case GraduatedPercentage():
            flats = sum(Fraction(tier.flat) for tier in model.tiers)
            return Highest(max(Fraction(tier.rate_percent) for tier in model.tiers) / 100, Fraction(flats))
        case CreditConversion():
            worth = Fraction(model.credits_per_unit.get(meter, 0)) / Fraction(model.per)
            return Highest(
                worth * Fraction(1 if model.credit_price is None else model.credit_price), Fraction(0)
            )
        case Bucketed():
            return _of_model(model.inner, meter)
        case Graduated():
            flats = sum(Fraction(tier.flat) for tier in model.tiers)
            return Highest(_unit(model), flats + _started(model.tiers))
        case Volume():
            higher = sum(
                max(Fraction(0), _at(after, before.up_to, model) - _at(before, before.up_to, model))
                for before, after in pairwise(model.tiers)
                if before.up_to is not None
            )
            return Highest(_unit(model), Fraction(model.tiers[0].flat) + higher + _started(model.tiers))


def _unit(model: Graduated | Volume) -> Fraction:
    return max(Fraction(tier.unit) / Fraction(tier.package_size or model.per) for tier in model.tiers)


def _started(tiers: tuple[Tier, ...]) -> Fraction:
    """Return what started packages may add to their units' price."""
    return sum((Fraction(tier.unit) for tier in tiers if tier.package_size is not None), Fraction(0))


def _at(tier: Tier, quantity: object, model: Volume) -> Fraction:
    return tier.price(Fraction(str(quantity)), model.per) + Fraction(tier.flat)
