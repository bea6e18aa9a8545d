"""A charge's price and unit as an invoice line says them, in the words of the plan."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from farebox.billing.documents.amounts import grouped
from farebox.billing.documents.document import UNIT_OF_COST
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
from farebox.charges.models.tiers import PercentageTier, Tier
from farebox.charges.plan import Charge, Conversion
from farebox.charges.rounding import exact_text
from farebox.charges.usage.consumption import CALLS_CHARGE

_UNITS = {
    "cost": UNIT_OF_COST,
    "charge": f"{UNIT_OF_COST} × markup",
    "outcome": "outcomes",
    "outcome_value": "outcome value",
}


_SPANS = {60: "minutes", 3_600: "hours", 86_400: "days"}
_ROUNDED = {"ceiling": "up to", "floor": "down to", "half_up": "to"}


def counted_unit_of(charge: Charge) -> str:
    """Return what a charge counts, in words: before a conversion makes another unit of it."""
    return _UNITS.get(charge.meter, charge.meter.replace("_", " "))


def unit_of(charge: Charge) -> str:
    """Return what a charge charges, in words: the unit of its price and of its lines' quantities."""
    counted = counted_unit_of(charge)
    if charge.conversion is None:
        return counted
    factor = Fraction(charge.conversion.factor)
    size = factor if charge.conversion.operation == "divide" else 1 / factor
    if size == 1:
        return counted
    span = _SPANS.get(int(size)) if charge.meter == "seconds" and size.denominator == 1 else None
    return span or f"units of {grouped(exact_text(size))} {counted}"


def conversion_of(conversion: Conversion) -> str:
    """Return what a conversion does to a quantity, in words."""
    sign = "÷" if conversion.operation == "divide" else "×"
    return f"{sign} {_plain(conversion.factor)}{_rounding(conversion)}"


def _rounding(conversion: Conversion) -> str:
    if conversion.rounding == "none":
        return ""
    return f", rounded {_ROUNDED[conversion.rounding]} whole units"


def unit_price_of(charge: Charge) -> str:
    """Return a charge's price as the plan writes it; tiers one after the other."""
    if charge.meter == CALLS_CHARGE:
        return "1"
    price = _of_model(charge.model)
    if isinstance(charge.model, Bucketed):
        price += f"; each {charge.bucket} by itself"
    if charge.conversion is not None:
        price += _rounding(charge.conversion).replace(",", ";", 1)
    if charge.block_size is not None:
        price += f"; for each started block of {_plain(charge.block_size)}"
    if charge.round_up_to is not None:
        price += f"; rounded up to a multiple of {_plain(charge.round_up_to)}"
    return price


def _of_model(model: Model) -> str:
    match model:
        case Standard():
            return _per(model.unit, model.per)
        case Graduated() | Volume():
            return _tiers(model.tiers, model.per)
        case Package():
            return f"{model.amount} per started {_plain(model.size)}"
        case CostPlus():
            return _cost_plus(model)
        case Percentage():
            return _percentage(model)
        case GraduatedPercentage():
            return _percentage_tiers(model.tiers)
        case Bucketed():
            return _of_model(model.inner)
        case CreditConversion():
            price = "" if model.credit_price is None else f", {model.credit_price} a credit"
            per = "" if model.per == 1 else f" per {_plain(model.per)}"
            several = len(model.credits_per_unit) > 1
            worth = ", ".join(
                f"{_plain(credits)} credits{f' for {name}' if several else ''}{per}"
                for name, credits in model.credits_per_unit.items()
            )
            return f"{worth}{price}"


def _percentage(model: Percentage) -> str:
    said = [f"{_plain(model.rate_percent)} %"]
    if model.fixed_per_event:
        said[0] += f" + {model.fixed_per_event:f} an event"
    if model.free_events is not None:
        said.append(f"the first {model.free_events:,} events free")
    if model.free_amount is not None:
        said.append(f"the first {_plain(model.free_amount)} free")
    if model.event_minimum is not None:
        said.append(f"at least {model.event_minimum:f} an event")
    if model.event_maximum is not None:
        said.append(f"at most {model.event_maximum:f} an event")
    return "; ".join(said)


def _cost_plus(model: CostPlus) -> str:
    if model.multiplier is not None:
        words = f"cost × {_plain(model.multiplier)}"
    elif model.markup_percent is not None:
        words = f"cost + {_plain(model.markup_percent)} %"
    elif model.margin_percent is not None:
        words = f"cost at {_plain(model.margin_percent)} % margin"
    else:
        words = "cost"
    return f"{words} + {model.fixed}" if model.fixed else words


def _tiers(tiers: Sequence[Tier], per: Decimal) -> str:
    said: list[str] = []
    for tier in tiers:
        size = tier.package_size
        price = _per(tier.unit, per) if size is None else f"{tier.unit} per started {_plain(size)}"
        flat = f" + {tier.flat}" if tier.flat else ""
        said.append(f"{_up_to(tier.up_to)}{price}{flat}")
    return "; ".join(said)


def _percentage_tiers(tiers: Sequence[PercentageTier]) -> str:
    return "; ".join(
        f"{_up_to(tier.up_to)}{_plain(tier.rate_percent)} %" + (f" + {tier.flat}" if tier.flat else "")
        for tier in tiers
    )


def _up_to(bound: Decimal | None) -> str:
    return "then " if bound is None else f"up to {_plain(bound)}: "


def _per(unit: Decimal, per: Decimal) -> str:
    return f"{unit:f}" if per == 1 else f"{unit:f} per {_plain(per)}"


def _plain(number: Decimal) -> str:
    return f"{number:,f}"
