"""Vectors of charge models: parameters become a charge, usage becomes its usage."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from farebox.charges.charge_amount import Usage, amount
from farebox.charges.commitments import capped, top_up, with_overage
from farebox.charges.conversion import converted
from farebox.charges.discounts import discount_on
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
from farebox.charges.models.bucketed import Inner
from farebox.charges.models.tiers import Boundary, PercentageTier, Tier
from farebox.charges.periods.proration import prorated
from farebox.charges.plan import Charge, Commitment, Conversion, Discount
from tools.vectors.vector import NotUnderstood, Result, Stated, Vector, decimal, rounded


def charged(vector: Vector) -> Result:
    """A charge model by itself."""
    return Result(line(vector.kind, vector.parameters, vector.usage))


def line(kind: str, parameters: Stated, usage: Stated) -> Fraction:
    """Return what a charge comes to as a line: rounded once, then capped, then with its base fee."""
    rounding = parameters.raw("rounding")
    base = parameters.exact("base_fee")
    cap = parameters.optional("cap_amount")
    total = rounded(_rated(kind, parameters, usage), rounding)
    return capped(total, cap) + rounded(base, rounding)


def _rated(kind: str, parameters: Stated, usage: Stated) -> Fraction:
    if "meters" in parameters:
        quantities = usage.raw("quantities", {})
        return sum(
            (
                line(kind, Stated(fields), Stated({"quantity": quantities[name]}))
                for name, fields in parameters.raw("meters").items()
            ),
            Fraction(0),
        )
    if "groups" in usage:
        rounding = parameters.raw("rounding")
        groups = [Stated(group) for group in usage.raw("groups")]
        return sum((rounded(_amount(kind, parameters, group), rounding) for group in groups), Fraction(0))
    inner = parameters.raw("inner_parameters", {})
    if kind == "bucketed" and {"rounding", "cap_amount", "base_fee"} & set(inner):
        buckets = [Stated({"quantity": each}) for each in usage.raw("bucket_quantities", [])]
        kind = parameters.raw("inner_model")
        return sum((line(kind, Stated(inner), bucket) for bucket in buckets), Fraction(0))
    return _amount(kind, parameters, usage)


def _amount(kind: str, parameters: Stated, usage: Stated) -> Fraction:
    charge = _charge(kind, parameters)
    now = _usage(charge, usage)
    before = _before(charge, now, usage.exact("previous_quantity")) if "previous_quantity" in usage else None
    return amount(charge, now, before)


def _before(charge: Charge, now: Usage, quantity: Fraction) -> Usage:
    """Return the usage that was billed earlier, of which only one number is stated."""
    if isinstance(charge.model, Percentage):
        return Usage(events=(quantity,))
    if isinstance(charge.model, Bucketed):
        raise NotUnderstood("previous_quantity without the bucket it is of")
    if now.quantities:
        if len(now.quantities) > 1:
            raise NotUnderstood("previous_quantity without the meter it is of")
        return Usage(quantities=dict.fromkeys(now.quantities, quantity))
    return Usage(quantity=quantity)


def _charge(kind: str, parameters: Stated) -> Charge:
    if kind not in MODELS:
        raise NotUnderstood(f"charge model {kind}")
    model = MODELS[kind](parameters)
    terms = parameters.nested("inner_parameters") if kind == "bucketed" else parameters
    conversion = terms.raw("unit_conversion")
    negative = terms.raw("negative_usage")
    if negative not in (None, "zero", "price_abs_then_negate"):
        raise NotUnderstood(f"negative_usage {negative}")
    return Charge(
        name=kind,
        meter="cost" if kind == "cost_plus" else "calls",
        model=model,
        included=terms.number("free_units") + terms.number("usage_discount"),
        conversion=None if conversion is None else _conversion(conversion),
        block_size=terms.optional("block_size"),
        round_up_to=terms.optional("billing_units"),
        negative="negate" if negative == "price_abs_then_negate" else "zero",
    )


def _usage(charge: Charge, usage: Stated) -> Usage:
    if isinstance(charge.model, Bucketed):
        buckets = usage.raw("bucket_quantities", [])
        return Usage(buckets={str(number): Fraction(decimal(each)) for number, each in enumerate(buckets)})
    if isinstance(charge.model, Percentage):
        return Usage(events=tuple(Fraction(decimal(each)) for each in usage.raw("event_amounts", [])))
    if isinstance(charge.model, CreditConversion):
        return Usage(quantities=_numbers(usage.raw("quantities", {})))
    if isinstance(charge.model, CostPlus):
        if charge.model.unit_costs is not None:
            return Usage(quantities=_numbers(usage.raw("tokens", {})))
        return Usage(quantity=usage.exact("cost"))
    billed = usage.optional("prorated_quantity")
    return Usage(
        quantity=usage.exact("quantity"), billed_quantity=None if billed is None else Fraction(billed)
    )


def _numbers(fields: dict[str, Any]) -> dict[str, Fraction]:
    return {name: Fraction(decimal(value)) for name, value in fields.items()}


def _decimals(fields: dict[str, Any]) -> dict[str, Decimal]:
    return {name: decimal(value) for name, value in fields.items()}


def _conversion(fields: dict[str, Any]) -> Conversion:
    return Conversion(
        operation=fields["operation"],
        factor=decimal(fields["factor"]),
        rounding=fields.get("rounding") or "none",
    )


def _boundary(parameters: Stated) -> Boundary:
    return "lower_inclusive" if parameters.raw("boundary") == "lower_inclusive" else "inclusive"


def _tiers(parameters: Stated) -> tuple[Tier, ...]:
    tiers = [Stated(each) for each in parameters.raw("tiers", [])]
    return tuple(
        Tier(
            up_to=each.optional("up_to"),
            unit=each.number("unit_amount"),
            flat=each.number("flat_amount"),
            package_size=each.optional("package_size"),
        )
        for each in tiers
    )


def _standard(parameters: Stated) -> Standard:
    return Standard(unit=parameters.number("unit_amount"), per=parameters.number("billing_units", "1"))


def _graduated(parameters: Stated) -> Graduated:
    return Graduated(
        tiers=_tiers(parameters),
        per=parameters.number("billing_units", "1"),
        boundary=_boundary(parameters),
        first_flat_at_zero=parameters.raw("bill_first_flat_at_zero", True),
    )


def _volume(parameters: Stated) -> Volume:
    return Volume(
        tiers=_tiers(parameters),
        per=parameters.number("billing_units", "1"),
        boundary=_boundary(parameters),
        first_flat_at_zero=parameters.raw("bill_first_flat_at_zero", True),
    )


def _graduated_percentage(parameters: Stated) -> GraduatedPercentage:
    tiers = [Stated(each) for each in parameters.raw("tiers", [])]
    return GraduatedPercentage(
        tiers=tuple(
            PercentageTier(
                up_to=each.optional("up_to"),
                rate_percent=each.number("rate_percent"),
                flat=each.number("flat_amount"),
            )
            for each in tiers
        ),
        boundary=_boundary(parameters),
        first_flat_at_zero=parameters.raw("bill_first_flat_at_zero", True),
    )


def _package(parameters: Stated) -> Package:
    return Package(
        size=parameters.number("package_size"),
        amount=parameters.number("package_amount"),
        rounding=parameters.raw("package_rounding", "up"),
    )


def _cost_plus(parameters: Stated) -> CostPlus:
    costs = parameters.raw("unit_costs")
    return CostPlus(
        multiplier=parameters.optional("multiplier"),
        markup_percent=parameters.optional("markup_percent"),
        margin_percent=parameters.optional("margin_percent"),
        fixed=parameters.number("fixed_amount"),
        unit_costs=None if costs is None else _decimals(costs),
    )


def _percentage(parameters: Stated) -> Percentage:
    free = parameters.raw("free_events")
    return Percentage(
        rate_percent=parameters.number("rate_percent"),
        fixed_per_event=parameters.number("fixed_amount_per_event"),
        free_events=None if free is None else int(free),
        free_amount=parameters.optional("free_amount"),
        event_minimum=parameters.optional("per_event_min"),
        event_maximum=parameters.optional("per_event_max"),
    )


def _credit_conversion(parameters: Stated) -> CreditConversion:
    return CreditConversion(
        credits_per_unit=_decimals(parameters.raw("credits_per_unit", {})),
        per=parameters.number("per", "1"),
        credit_price=parameters.optional("credit_price"),
    )


def _bucketed(parameters: Stated) -> Bucketed:
    model = MODELS[parameters.raw("inner_model")](Stated(parameters.raw("inner_parameters", {})))
    if not isinstance(model, Inner):
        raise NotUnderstood(f"{parameters.raw('inner_model')} in buckets")
    return Bucketed(inner=model)


MODELS: dict[str, Callable[[Stated], Model]] = {
    "standard": _standard,
    "graduated": _graduated,
    "volume": _volume,
    "package": _package,
    "cost_plus": _cost_plus,
    "percentage": _percentage,
    "graduated_percentage": _graduated_percentage,
    "bucketed": _bucketed,
    "credit_conversion": _credit_conversion,
}


def unit_conversion(vector: Vector) -> Result:
    """A quantity only."""
    return Result(
        converted(vector.usage.exact("quantity"), _conversion(vector.parameters.raw("unit_conversion")))
    )


def minimum(vector: Vector) -> Result:
    """A minimum commitment."""
    parameters, usage = vector.parameters, vector.usage
    agreed = _prorated(parameters, "minimum_amount")
    amount = _discounted(vector)
    added = top_up(
        amount,
        agreed,
        previously_billed=usage.number("previously_billed"),
        is_last=usage.raw("is_last_invoice_of_period", True),
    )
    total = added if parameters.raw("return") == "true_up" else amount + added
    return Result(rounded(total, parameters.raw("rounding")))


def maximum(vector: Vector) -> Result:
    """A maximum spend."""
    parameters = vector.parameters
    agreed = _prorated(parameters, "maximum_amount")
    billed = vector.usage.number("previously_billed")
    total = capped(_discounted(vector), agreed, previously_billed=billed)
    return Result(rounded(total, parameters.raw("rounding")))


def overage(vector: Vector) -> Result:
    """A commitment with overage, for the period or for each window."""
    parameters, usage = vector.parameters, vector.usage
    commitment = Commitment(
        amount=parameters.number("commitment_amount"),
        overage_factor=parameters.number("overage_factor", "1"),
        true_up=parameters.raw("true_up", False),
    )
    if "window_quantities" in usage:
        windows = [
            line("standard", parameters, Stated({"quantity": each}))
            for each in usage.raw("window_quantities")
        ]
    elif "features" in usage:
        features = [Stated(each) for each in usage.raw("features")]
        windows = [sum((line("standard", each, each) for each in features), Fraction(0))]
    else:
        windows = [_inner(vector)]
    total = sum((with_overage(each, commitment) for each in windows), Fraction(0))
    return Result(rounded(total, parameters.raw("rounding")))


def _prorated(parameters: Stated, key: str) -> Fraction:
    part = parameters.raw("proration", {"days": 1, "days_in_period": 1})
    return prorated(parameters.number(key), int(part["days"]), int(part["days_in_period"]))


def _discounted(vector: Vector) -> Fraction:
    percent = vector.parameters.number("percent_discount")
    amount = _inner(vector)
    return amount - discount_on([amount], Discount(kind="percentage", value=percent))


def _inner(vector: Vector) -> Fraction:
    """Return the rated amount that is stated, or the line that an inner model makes."""
    parameters, usage = vector.parameters, vector.usage
    if "inner_model" in parameters:
        return line(parameters.raw("inner_model"), parameters.nested("inner_parameters"), usage)
    if "rated_amount" in usage:
        return usage.exact("rated_amount")
    return line("standard", parameters, usage)
