"""Vectors of charge models: parameters become a charge, usage becomes its usage."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from msgspec.structs import replace

from farebox.charges.amounts.charge_amount import Usage
from farebox.charges.amounts.conversion import converted
from farebox.charges.amounts.plan_amount import ChargeUsage, PlanAmounts, Rounding, plan_amounts
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
from farebox.charges.plan import AddOn, Charge, Commitment, Conversion, Discount, Plan
from tools.vectors.vector import NotUnderstood, Result, Stated, Vector, decimal, rounded

_OF_A_QUANTITY = (
    *("unit_conversion", "free_units", "usage_discount", "billing_units", "block_size", "negative_usage"),
)
_OF_A_LINE = ("cap_amount", "base_fee")
_RATED = Charge(name="rated", meter="cost", model=CostPlus())
"""What makes a line of an amount that is rated already."""


@dataclass(frozen=True)
class Entry:
    """A charge of a plan, what it is applied to, and what its line is like."""

    charge: Charge
    usage: ChargeUsage
    rounding: Rounding | None = None
    fee: Decimal = Decimal(0)


def plan_of(entries: Sequence[Entry], **terms: Any) -> Plan:
    """Return a plan of these charges, base fees as its add-ons."""
    fees = tuple(AddOn(name=f"base {each.charge.name}", amount=each.fee) for each in entries if each.fee)
    return Plan(name="plan", charges=tuple(each.charge for each in entries), addons=fees, **terms)


def amounts_of(entries: Sequence[Entry], plan: Plan, **facts: Any) -> PlanAmounts:
    """Return what the engine makes of a plan of entries."""
    roundings = {
        name: each.rounding
        for each in entries
        for name in (each.charge.name, f"base {each.charge.name}")
        if each.rounding is not None
    }
    return plan_amounts(plan, {each.charge.name: each.usage for each in entries}, rounding=roundings, **facts)


def charged(vector: Vector) -> Result:
    """A charge model by itself."""
    return Result(line(vector.kind, vector.parameters, vector.usage))


def line(kind: str, parameters: Stated, usage: Stated) -> Fraction:
    """Return what a charge comes to as a line."""
    entries = entries_of(kind, parameters, usage)
    return amounts_of(entries, plan_of(entries)).total


def entries_of(kind: str, parameters: Stated, usage: Stated) -> list[Entry]:
    """Return the charges that a charge model's parameters are."""
    inside = parameters.raw("inner_parameters", {})
    if "meters" in parameters:
        return _sum(_meters(kind, parameters, usage), parameters)
    if kind == "bucketed" and {"rounding", *_OF_A_LINE} & set(inside):
        return _sum(_buckets(parameters, usage), parameters)
    charge = _charge(kind, parameters)
    return [Entry(charge, _usage(charge, usage), rounding_of(parameters), parameters.number("base_fee"))]


def _sum(parts: Sequence[Entry], parameters: Stated) -> list[Entry]:
    """Return charges as they are, or as one amount where something is stated for all of them."""
    rounding, cap, fee = (
        rounding_of(parameters),
        parameters.optional("cap_amount"),
        parameters.raw("base_fee"),
    )
    if rounding is None and cap is None and fee is None:
        return list(parts)
    amount = amounts_of(parts, plan_of(parts)).total
    usage = ChargeUsage(parts=(Usage(quantity=amount),))
    return [Entry(replace(_RATED, maximum=cap), usage, rounding, parameters.number("base_fee"))]


def _meters(kind: str, parameters: Stated, usage: Stated) -> list[Entry]:
    quantities, before = usage.raw("quantities", {}), usage.raw("previous_quantity")
    meters = parameters.raw("meters")
    if set(quantities) - set(meters):
        raise NotUnderstood(f"quantities of {', '.join(sorted(set(quantities) - set(meters)))}")
    entries: list[Entry] = []
    for name, fields in meters.items():
        used = {"quantity": quantities.get(name, "0")}
        if before is not None:
            used["previous_quantity"] = _named_before(before, meters).get(name, "0")
        own = parameters.child(_with_common(parameters, fields))
        (entry,) = entries_of(kind, own, usage.child(used))
        entries.append(Entry(replace(entry.charge, name=name), entry.usage, entry.rounding, entry.fee))
    return entries


def _named_before(before: Any, names: Collection[str]) -> dict[str, Any]:
    """Return earlier quantities by name; one number is that of the only name."""
    if isinstance(before, dict):
        if set(before) - set(names):
            raise NotUnderstood("previous_quantity of another name")
        return before
    if len(names) != 1:
        raise NotUnderstood("one previous_quantity of several")
    return dict.fromkeys(names, before)


def _buckets(parameters: Stated, usage: Stated) -> list[Entry]:
    """Return a charge for each bucket: with its own rounding, cap or base fee it is a line of its own."""
    kind = parameters.raw("inner_model")
    before = usage.raw("previous_quantity")
    earlier = before if isinstance(before, list) else []
    entries: list[Entry] = []
    for number, quantity in enumerate(usage.raw("bucket_quantities", [])):
        used = {"quantity": quantity}
        if number < len(earlier):
            used["previous_quantity"] = earlier[number]
        own = parameters.child(_with_common(parameters, parameters.raw("inner_parameters")))
        (entry,) = entries_of(kind, own, usage.child(used))
        entries.append(
            Entry(replace(entry.charge, name=f"bucket {number}"), entry.usage, entry.rounding, entry.fee)
        )
    return entries


def _with_common(
    parameters: Stated, inside: dict[str, Any], keys: Sequence[str] = _OF_A_QUANTITY
) -> dict[str, Any]:
    """Return inner parameters and those that stand outside instead."""
    outside = {key: parameters.raw(key) for key in keys if key in parameters and key not in inside}
    return {**outside, **inside}


def rounding_of(parameters: Stated) -> Rounding | None:
    stated = parameters.raw("rounding")
    if stated is None:
        return None
    return Rounding(scale=int(stated["scale"]), mode=stated.get("mode", "half_up"))


def _charge(kind: str, parameters: Stated) -> Charge:
    if kind not in KINDS:
        raise NotUnderstood(f"charge model {kind}")
    terms = parameters
    if kind == "bucketed":
        terms = parameters.child(_with_common(parameters, parameters.raw("inner_parameters", {})))
        model: Model = _bucketed(parameters.raw("inner_model"), terms)
    else:
        model = MODELS[kind](parameters)
    conversion = terms.raw("unit_conversion")
    negative = terms.raw("negative_usage")
    if negative not in (None, "zero", "price_abs_then_negate"):
        raise NotUnderstood(f"negative_usage {negative}")
    if isinstance(model, Percentage) and ("block_size" in terms or "billing_units" in terms):
        raise NotUnderstood("blocks of event amounts")
    return Charge(
        name=kind,
        meter="cost" if kind == "cost_plus" else "calls",
        model=model,
        included=terms.number("free_units"),
        usage_discount=terms.number("usage_discount"),
        conversion=None if conversion is None else _conversion(conversion),
        block_size=terms.optional("block_size"),
        round_up_to=terms.optional("billing_units"),
        negative="negate" if negative == "price_abs_then_negate" else "zero",
        maximum=parameters.optional("cap_amount"),
        itemize=("key",),
    )


def _usage(charge: Charge, usage: Stated) -> ChargeUsage:
    if isinstance(charge.model, CostPlus) and "groups" in usage:
        groups = [usage.child(group) for group in usage.raw("groups")]
        for group in groups:
            group.raw("key")
        before = [_before(charge, group) or Usage() for group in groups]
        is_first = not any("previous_quantity" in group for group in groups)
        return ChargeUsage(
            parts=tuple(_used(charge, group) for group in groups),
            before=() if is_first else tuple(before),
        )
    earlier = _before(charge, usage)
    return ChargeUsage(parts=(_used(charge, usage),), before=() if earlier is None else (earlier,))


def _used(charge: Charge, usage: Stated) -> Usage:
    if isinstance(charge.model, Bucketed):
        return Usage(buckets=_numbered(usage.raw("bucket_quantities", [])))
    if isinstance(charge.model, Percentage):
        return Usage(events=_fractions(usage.raw("event_amounts", [])))
    if isinstance(charge.model, CreditConversion):
        return Usage(quantities=_numbers(usage.raw("quantities", {})))
    if isinstance(charge.model, CostPlus):
        if charge.model.unit_costs is not None:
            return Usage(quantities=_numbers(usage.raw("tokens", {})))
        return Usage(quantity=usage.exact("cost" if "cost" in usage else "quantity"))
    billed = usage.optional("prorated_quantity")
    return Usage(
        quantity=usage.exact("quantity"), billed_quantity=None if billed is None else Fraction(billed)
    )


def _before(charge: Charge, usage: Stated) -> Usage | None:
    """Return what was billed before, as the charge's model looks at it; None where nothing was."""
    if "previous_quantity" not in usage:
        return None
    stated: Any = usage.raw("previous_quantity")
    match charge.model:
        case Bucketed():
            # One number is of buckets that are closed; a list goes on in the same ones.
            return Usage(
                buckets=_numbered(stated)
                if isinstance(stated, list)
                else {"earlier": Fraction(decimal(stated))}
            )
        case Percentage():
            return Usage(events=_fractions(stated if isinstance(stated, list) else [stated]))
        case CreditConversion(credits_per_unit=names):
            return Usage(quantities=_numbers(_named_before(stated, names)))
        case CostPlus(unit_costs=costs) if costs is not None:
            return Usage(quantities=_numbers(_named_before(stated, costs)))
        case _:
            return Usage(quantity=usage.exact("previous_quantity"))


def _fractions(values: Sequence[Any]) -> tuple[Fraction, ...]:
    return tuple(Fraction(decimal(each)) for each in values)


def _numbered(values: Sequence[Any]) -> dict[str, Fraction]:
    return {str(number): each for number, each in enumerate(_fractions(values))}


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


def _bucketed(kind: str, inside: Stated) -> Bucketed:
    model = MODELS[kind](inside) if kind in MODELS else None
    if not isinstance(model, Inner):
        raise NotUnderstood(f"{kind} in buckets")
    return Bucketed(inner=model)


MODELS: dict[str, Callable[[Stated], Model]] = {
    "standard": _standard,
    "graduated": _graduated,
    "volume": _volume,
    "package": _package,
    "cost_plus": _cost_plus,
    "percentage": _percentage,
    "graduated_percentage": _graduated_percentage,
    "credit_conversion": _credit_conversion,
}


KINDS = (*MODELS, "bucketed")
"""The charge models, those of a bucket and the buckets."""


def unit_conversion(vector: Vector) -> Result:
    """A quantity only."""
    return Result(
        converted(vector.usage.exact("quantity"), _conversion(vector.parameters.raw("unit_conversion")))
    )


def minimum(vector: Vector) -> Result:
    """A minimum commitment."""
    amounts = _bounded(vector, minimum=vector.parameters.number("minimum_amount"))
    is_added = vector.parameters.raw("return") == "true_up"
    return Result(rounded(amounts.top_up if is_added else amounts.total, vector.parameters.raw("rounding")))


def maximum(vector: Vector) -> Result:
    """A maximum spend."""
    amounts = _bounded(vector, maximum=vector.parameters.number("maximum_amount"))
    return Result(rounded(amounts.total, vector.parameters.raw("rounding")))


def overage(vector: Vector) -> Result:
    """A commitment with overage, for the period or for each window."""
    parameters, usage = vector.parameters, vector.usage
    is_by_window = "window_quantities" in usage
    commitment = Commitment(
        amount=parameters.number("commitment_amount"),
        overage_factor=parameters.number("overage_factor", "1"),
        true_up=parameters.raw("true_up", False),
        window="hour" if is_by_window else None,
    )
    if is_by_window:
        kind, inside = _inner(parameters)
        charge = replace(_charge(kind, inside), commitment=commitment)
        windows = tuple(Usage(quantity=each) for each in _fractions(usage.raw("window_quantities")))
        entries = [Entry(charge, ChargeUsage(parts=windows), fee=inside.number("base_fee"))]
        plan = plan_of(entries)
    else:
        entries = _features(vector) if "features" in usage else _rated(vector)
        plan = plan_of(entries, commitment=commitment)
    return Result(rounded(amounts_of(entries, plan).total, parameters.raw("rounding")))


def _bounded(vector: Vector, **bound: Decimal) -> PlanAmounts:
    """Return what a plan with a discount and a minimum or maximum comes to."""
    parameters, usage = vector.parameters, vector.usage
    percent = parameters.optional("percent_discount")
    discounts = () if percent is None else (Discount(kind="percentage", value=percent),)
    entries = _rated(vector)
    part = parameters.raw("proration")
    return amounts_of(
        entries,
        plan_of(entries, discounts=discounts, **bound),
        previously_billed=usage.number("previously_billed"),
        is_last=usage.raw("is_last_invoice_of_period", True),
        part=1 if part is None else Fraction(int(part["days"]), int(part["days_in_period"])),
    )


def _features(vector: Vector) -> list[Entry]:
    entries: list[Entry] = []
    for number, fields in enumerate(vector.usage.raw("features")):
        feature = vector.usage.child(fields)
        (entry,) = entries_of("standard", feature, feature)
        charge = replace(entry.charge, name=f"feature {number}")
        entries.append(Entry(charge, entry.usage, entry.rounding, entry.fee))
    return entries


def _rated(vector: Vector) -> list[Entry]:
    """Return the amount that is stated, or the charges that make it."""
    if "rated_amount" in vector.usage:
        usage = ChargeUsage(parts=(Usage(quantity=vector.usage.exact("rated_amount")),))
        return [Entry(_RATED, usage)]
    return entries_of(*_inner(vector.parameters), vector.usage)


def _inner(parameters: Stated) -> tuple[str, Stated]:
    """Return the charge model of a term, and its parameters; standard where none is stated."""
    common = (*_OF_A_QUANTITY, *_OF_A_LINE)
    if "inner_model" not in parameters:
        keys = ("unit_amount", *common)
        return "standard", parameters.child(_with_common(parameters, {}, keys))
    inside = parameters.raw("inner_parameters", {})
    return parameters.raw("inner_model"), parameters.child(_with_common(parameters, inside, common))
