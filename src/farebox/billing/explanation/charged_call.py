"""What one call is charged: each class of tokens times what the customer pays for it. Nothing of the cost.

Exact, and only where it is the call's own: with a price that is the same for every unit. Where a price
depends on what else is used (tiers, packages, units included), the call's quantity counts towards a line,
and no amount is made up for it. Discounts, minimums and maximums are lines of the invoice. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import msgspec
from msgspec.structs import replace

from farebox.billing.periods.terms import Segment, Terms
from farebox.billing.rating.period_usage import rates_within
from farebox.billing.rating.unit_prices import counted_unit_of, unit_price_of
from farebox.charges.amounts.allowances import free_units
from farebox.charges.amounts.conversion import in_unit
from farebox.charges.models import Bucketed, CostPlus, Standard
from farebox.charges.plan import Charge
from farebox.charges.rounding import exact_text, round_to
from farebox.charges.usage.cells import Cell
from farebox.charges.usage.consumption import (
    CALLS_CHARGE,
    DISTINCT_METERS,
    OUTCOME_METERS,
    ChargedGroup,
    CustomerUsage,
    consume,
)

OF_COST = frozenset(("cost", CALLS_CHARGE))
"""Meters whose quantity is what the provider charges, or is made of it: it is nobody's business here."""
CLASSES: dict[str, tuple[str, str]] = {
    "input": ("uncached_input_tokens", "input_cost_pico"),
    "cache_read": ("cache_read_tokens", "cache_read_cost_pico"),
    "cache_creation": ("cache_creation_tokens", "cache_creation_cost_pico"),
    "output": ("output_tokens", "output_cost_pico"),
    "reasoning": ("reasoning_tokens", "reasoning_cost_pico"),
    "other": ("", "other_cost_pico"),
}
"""Classes of usage, each with its tokens and its cost in a cell; `output` there has reasoning in it."""
_RATE_PLACES = 9
Text = str
"""Decimal text, or `numerator/denominator` where no decimal is exact."""


class ChargedClass(msgspec.Struct, frozen=True, kw_only=True):
    """One class of a call's tokens, and what is paid for it."""

    name: str
    """`input` (not from a cache), `cache_read`, `cache_creation`, `output` (without reasoning), `reasoning`,
    or `other`: searches, images, fees."""
    tokens: int
    per_million: Text | None
    """What a million of them come to at this price, rounded where it begins with `≈`."""
    amount: Text
    """Exactly."""


class ChargedPart(msgspec.Struct, frozen=True, kw_only=True):
    """What a charge of the plan takes of a call."""

    charge: str
    quantity: Text | None
    """In `unit`; null where the charge is made of what the call costs."""
    unit: str | None
    price: str | None
    """As the plan writes it, likewise."""
    amount: Text | None
    """Exactly; null where the price depends on what else is used, or is not known yet."""
    note: str
    """Why there is no amount, in words."""


class CallCharge(msgspec.Struct, frozen=True, kw_only=True):
    """What a call is charged."""

    amount: Text | None
    """The sum of the parts; null where one of them has none."""
    classes: list[ChargedClass]
    """What is paid by class; with `for_the_call` they add up to the parts that have amounts."""
    for_the_call: Text
    """What is paid for the call itself: by the call, by its time."""
    parts: list[ChargedPart]


def charge_of_call(terms: Terms, cell: Cell, at_ns: int) -> CallCharge:
    """Return what a call of a period's is charged; `cell` has this one call."""
    parts: list[ChargedPart] = []
    paid = Fraction(0)
    by_class = dict.fromkeys(CLASSES, Fraction(0))
    for segment in terms.segments:
        if segment.from_ns <= at_ns < segment.until_ns:
            for charge, group in _taken(segment, cell):
                part = _part(terms, segment, charge, group, at_ns)
                parts.append(part)
                paid += Fraction(part.amount or 0)
            for name, alone in _alone(cell):
                for charge, group in _taken(segment, alone):
                    amount = _amount(terms, segment, charge, group, at_ns)
                    by_class[name] += amount or 0
    classes = [
        ChargedClass(
            name=name,
            tokens=tokens,
            per_million=_per_million(by_class[name], tokens),
            amount=exact_text(by_class[name]),
        )
        for name in CLASSES
        if (tokens := _tokens(cell, name)) or by_class[name]
    ]
    return CallCharge(
        amount=None if any(each.amount is None for each in parts) else exact_text(paid),
        classes=classes,
        for_the_call=exact_text(paid - sum(by_class.values(), Fraction(0))),
        parts=parts,
    )


def _taken(segment: Segment, cell: Cell) -> Iterator[tuple[Charge, ChargedGroup]]:
    """Yield the charges that take something of a call, and what."""
    charges = [replace(each, bucket=None) for each in segment.plan.charges]
    found = consume(charges, CustomerUsage(cells={None: (replace(cell, start_ns=None),)})).charges
    for charge, used in zip(segment.plan.charges, found, strict=True):
        if charge.meter in OUTCOME_METERS:
            continue
        for group in used.groups:
            if group.quantity or group.unpriced_calls or (charge.meter in DISTINCT_METERS and group.calls):
                yield charge, group


def _part(terms: Terms, segment: Segment, charge: Charge, group: ChargedGroup, at_ns: int) -> ChargedPart:
    amount = _amount(terms, segment, charge, group, at_ns)
    is_of_cost = charge.meter in OF_COST or isinstance(charge.model, CostPlus)
    note = ""
    if group.unpriced_calls:
        note = "not priced yet"
        amount = None
    elif charge.meter in DISTINCT_METERS:
        note = f"counted by {charge.meter}, not by call"
    elif amount is None:
        note = "counts towards the line: its price depends on what else is used in the period"
    is_hidden = is_of_cost or charge.meter in DISTINCT_METERS
    return ChargedPart(
        charge=charge.name,
        quantity=None if is_hidden else exact_text(group.quantity),
        unit=None if is_of_cost else counted_unit_of(charge),
        price=None if is_of_cost else unit_price_of(charge),
        amount=None if amount is None else exact_text(amount),
        note=note,
    )


def _amount(
    terms: Terms, segment: Segment, charge: Charge, group: ChargedGroup, at_ns: int
) -> Fraction | None:
    """Return what a quantity comes to where every unit has the same price; None where it has not."""
    factor = _factor(charge, segment)
    if factor is None:
        return None
    quantity = group.quantity
    if charge.meter == "cost" and terms.currency != "USD":
        rate = next(
            (rate for from_ns, until_ns, rate in rates_within(segment) if from_ns <= at_ns < until_ns), None
        )
        if rate is None:
            return None
        quantity *= Fraction(rate.rate)
    return in_unit(quantity, charge.conversion) * factor


def _factor(charge: Charge, segment: Segment) -> Fraction | None:
    """Return the price of one unit where it is the same for each."""
    is_free = free_units(charge) or Fraction(segment.carried_units.get(charge.name, "0"))
    has_own_rules = charge.block_size is not None or charge.round_up_to is not None or charge.commitment
    rounds = charge.conversion is not None and charge.conversion.rounding != "none"
    if is_free or has_own_rules or rounds or charge.meter in DISTINCT_METERS:
        return None
    model = charge.model.inner if isinstance(charge.model, Bucketed) else charge.model
    if isinstance(model, Standard):
        return Fraction(model.unit) / Fraction(model.per)
    if isinstance(model, CostPlus) and model.unit_costs is None and not model.fixed:
        return model.factor
    return None


def _alone(cell: Cell) -> Iterator[tuple[str, Cell]]:
    """Yield the classes of a call, each in a cell that has nothing else."""
    shares = _charge_shares(cell)
    for name in CLASSES:
        tokens, cost = _tokens(cell, name), _cost(cell, name)
        if not tokens and not cost:
            continue
        sums: dict[str, int] = {"calls": 0, "total_us": 0, "charge_pico": shares[name]}
        for field, cost_field in CLASSES.values():
            sums |= {cost_field: 0} | ({field: 0} if field else {})
        own = ["output", "reasoning"] if name == "reasoning" else [name]  # reasoning is in the output, too
        for each in own:
            field, cost_field = CLASSES[each]
            sums |= {cost_field: cost} | ({field: tokens} if field else {})
        yield name, replace(cell, unpriced_calls=0, unknown_calls=0, estimated_calls=0, **sums)


def _tokens(cell: Cell, name: str) -> int:
    field = CLASSES[name][0]
    found: int = getattr(cell, field) if field else 0
    return found - cell.reasoning_tokens if name == "output" else found


def _cost(cell: Cell, name: str) -> int:
    found: int = getattr(cell, CLASSES[name][1])
    return found - cell.reasoning_cost_pico if name == "output" else found


def _charge_shares(cell: Cell) -> dict[str, int]:
    """Return the parts of what a call was charged as it was recorded, which add up to it: as its cost has."""
    costs = {name: _cost(cell, name) for name in CLASSES}
    whole = sum(costs.values())
    shares = {name: cell.charge_pico * cost // whole if whole else 0 for name, cost in costs.items()}
    most = max(costs, key=lambda name: costs[name])
    shares[most] += cell.charge_pico - sum(shares.values())
    return shares


def _per_million(amount: Fraction, tokens: int) -> Text | None:
    if not tokens:
        return None
    rate = amount * 1_000_000 / tokens
    rounded = Fraction(round_to(rate, _RATE_PLACES))
    return f"{'' if rounded == rate else '≈ '}{exact_text(rounded)}"
