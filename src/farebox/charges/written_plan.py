"""A plan in the words in which `plan_reader` would read it: the same plan again, with nothing left out.

Amounts, percentages and quantities stay the text that was written, without exponents.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

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
from farebox.charges.plan import AddOn, Charge, Commitment, Conversion, Discount, Interval, Overrides, Plan

GRACE_HOURS = 48
_ROUNDINGS = {"ceiling": "up", "floor": "down", "half_up": "half_up", "none": None}


def written_plan(plan: Plan) -> dict[str, Any]:
    """Return what stands below the plan's name: mappings, lists, text, whole numbers and flags."""
    return _given(
        currency=plan.currency,
        interval=_interval(plan.interval),
        base=_decimal(plan.base) if plan.base else None,
        base_in_advance=plan.base_in_advance or None,
        charges=[_charge(each) for each in plan.charges],
        minimum=_decimal(plan.minimum),
        maximum=_decimal(plan.maximum),
        commitment=_commitment(plan.commitment),
        thresholds=[_decimal(each) for each in plan.thresholds],
        discount=_discounts(plan.discounts),
        trial_days=plan.trial_days or None,
        add_ons=[_add_on(each) for each in plan.addons],
        grace_hours=None if plan.grace_hours == GRACE_HOURS else plan.grace_hours,
        usd_rates={str(each.start): _decimal(each.rate) for each in plan.usd_rates},
    )


def written_overrides(said: Overrides) -> dict[str, Any]:
    """Return what a subscription has instead of its plan's terms, in the same words."""
    return _given(
        base=_decimal(said.base),
        minimum=_decimal(said.minimum),
        maximum=_decimal(said.maximum),
        trial_days=said.trial_days,
        charges=[_charge(each) for each in said.charges],
        discount=_discounts(said.discounts),
    )


def _given(**values: Any) -> dict[str, Any]:
    """Return the values that say something."""
    return {key: value for key, value in values.items() if value not in (None, [], {})}


def _decimal(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def _more_than_zero(value: Decimal) -> str | None:
    return _decimal(value) if value else None


def _per(value: Decimal) -> str | None:
    text = _decimal(value)
    return None if text == "1" else text


def _interval(said: Interval) -> str | dict[str, Any]:
    if said.kind == "anniversary":
        return _given(anniversary=said.unit, every=said.count if said.count > 1 else None)
    return said.unit if said.count == 1 else {"every": said.count, "unit": said.unit}


def _charge(said: Charge) -> dict[str, Any]:
    return _given(
        name=said.name,
        meter=said.meter,
        where={name: values[0] if len(values) == 1 else list(values) for name, values in said.where.items()},
        **_model(said.model),
        included=_more_than_zero(said.included),
        rollover_percent=_decimal(said.rollover_percent),
        usage_discount=_more_than_zero(said.usage_discount),
        convert=_conversion(said.conversion),
        round_up_to=_decimal(said.round_up_to),
        block_size=_decimal(said.block_size),
        negative=None if said.negative == "zero" else said.negative,
        minimum=_decimal(said.minimum),
        maximum=_decimal(said.maximum),
        commitment=_commitment(said.commitment),
        bucket=said.bucket,
        itemize=list(said.itemize),
        overlap=said.overlap or None,
        discount=_discounts(said.discounts),
        tax_percent=_decimal(said.tax_percent),
        shares={each.payee: _decimal(each.percent) for each in said.shares},
    )


def _model(said: Model) -> dict[str, Any]:
    """Return the key of the price with what it says, and the keys that go with it."""
    match said:
        case Bucketed(inner=inner):
            return _model(inner)
        case Standard():
            return _given(unit=_decimal(said.unit), per=_per(said.per))
        case Graduated() | Volume():
            key = "graduated" if isinstance(said, Graduated) else "volume"
            return {key: _tiers(said.tiers), **_given(per=_per(said.per)), **_bounds(said)}
        case Package():
            return {
                "package": _given(
                    size=_decimal(said.size),
                    amount=_decimal(said.amount),
                    round=None if said.rounding == "up" else said.rounding,
                )
            }
        case Percentage():
            return {
                "percentage": _given(
                    percent=_decimal(said.rate_percent),
                    fixed_per_event=_more_than_zero(said.fixed_per_event),
                    free_events=said.free_events,
                    free_amount=_decimal(said.free_amount),
                    event_minimum=_decimal(said.event_minimum),
                    event_maximum=_decimal(said.event_maximum),
                )
            }
        case GraduatedPercentage():
            return {"graduated_percentage": _percentage_tiers(said.tiers), **_bounds(said)}
        case CreditConversion():
            each = next(iter(said.credits_per_unit.values()))
            return {
                "credits": _given(each=_decimal(each), per=_per(said.per), price=_decimal(said.credit_price))
            }
        case CostPlus():
            return _cost_plus(said)


def _cost_plus(said: CostPlus) -> dict[str, Any]:
    found = _given(
        multiplier=_decimal(said.multiplier),
        markup_percent=_decimal(said.markup_percent),
        margin_percent=_decimal(said.margin_percent),
    ) or {"multiplier": "1"}
    return {**found, **_given(fixed=_more_than_zero(said.fixed))}


def _tiers(tiers: Iterable[Tier]) -> list[dict[str, Any]]:
    return [
        _given(
            up_to=_decimal(each.up_to),
            unit=_decimal(each.unit),
            flat=_more_than_zero(each.flat),
            package_size=_decimal(each.package_size),
        )
        for each in tiers
    ]


def _percentage_tiers(tiers: Iterable[PercentageTier]) -> list[dict[str, Any]]:
    return [
        _given(
            up_to=_decimal(each.up_to), percent=_decimal(each.rate_percent), flat=_more_than_zero(each.flat)
        )
        for each in tiers
    ]


def _bounds(said: Graduated | Volume | GraduatedPercentage) -> dict[str, Any]:
    boundary = None if said.boundary == "inclusive" else said.boundary
    return _given(boundary=boundary, first_flat_at_zero=said.first_flat_at_zero or None)


def _conversion(said: Conversion | None) -> dict[str, Any] | None:
    if said is None:
        return None
    return {said.operation: _decimal(said.factor), **_given(round=_ROUNDINGS[said.rounding])}


def _commitment(said: Commitment | None) -> dict[str, Any] | None:
    if said is None:
        return None
    return _given(
        amount=_decimal(said.amount),
        overage_factor=_per(said.overage_factor),
        true_up=said.true_up or None,
        window=said.window,
    )


def _discounts(discounts: Iterable[Discount]) -> list[dict[str, Any]]:
    return [
        _given(
            name=each.name or None,
            percent=_decimal(each.value) if each.kind == "percentage" else None,
            amount=_decimal(each.value) if each.kind == "fixed" else None,
            charges=list(each.charges),
            start=_day(each.start),
            until=_day(each.until),
            invoices=each.invoices,
        )
        for each in discounts
    ]


def _add_on(said: AddOn) -> dict[str, Any]:
    return _given(
        name=said.name,
        amount=_decimal(said.amount),
        quantity=_per(said.quantity),
        on=_day(said.on),
        tax_percent=_decimal(said.tax_percent),
    )


def _day(said: object) -> str | None:
    return None if said is None else str(said)
