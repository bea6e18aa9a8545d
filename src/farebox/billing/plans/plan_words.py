"""What a plan charges, in words: a sentence a charge, as people say it."""

from __future__ import annotations

import msgspec

from farebox.billing.rating.unit_prices import unit_of, unit_price_of
from farebox.charges.models import CostPlus
from farebox.charges.plan import Charge, Plan


class ChargeWords(msgspec.Struct, kw_only=True):
    """One charge in words."""

    name: str
    price: str
    """What it costs: `output tokens at 20.00 per 1,000,000`."""
    conditions: list[str]
    """Which calls, what is included, bounds: a part of a sentence each."""


def charges_in_words(plan: Plan) -> list[ChargeWords]:
    """Return a plan's charges in the order in which they apply, the base fee first."""
    found: list[ChargeWords] = []
    if plan.base:
        when = "in advance" if plan.base_in_advance else "at the end of the period"
        found.append(ChargeWords(name="Base fee", price=f"{plan.base:f}", conditions=[when]))
    found += [_of_charge(each) for each in plan.charges]
    for each in plan.addons:
        often = "every period" if each.on is None else f"once, on {each.on}"
        amount = f"{each.amount:f}" if each.quantity == 1 else f"{each.quantity:f} × {each.amount:f}"
        found.append(ChargeWords(name=each.name, price=amount, conditions=[often]))
    return found


def conditions_in_words(plan: Plan) -> list[str]:
    """Return what holds for a plan as a whole, a part of a sentence each."""
    said: list[str] = []
    if plan.minimum is not None:
        said.append(f"at least {plan.minimum:f} a period")
    if plan.maximum is not None:
        said.append(f"at most {plan.maximum:f} a period")
    if plan.commitment is not None:
        said.append(f"{plan.commitment.amount:f} committed a period")
    if plan.trial_days:
        said.append(f"the first {plan.trial_days} days are free")
    if plan.thresholds:
        amounts = ", ".join(f"{each:f}" for each in plan.thresholds)
        said.append(f"an invoice at {amounts} within a period")
    said.append(f"final {plan.grace_hours} hours after a period's end")
    return said


def _of_charge(charge: Charge) -> ChargeWords:
    price, unit = unit_price_of(charge), unit_of(charge)
    joint = ", " if price.startswith("up to ") else " at "
    words = price if isinstance(charge.model, CostPlus) else f"{unit}{joint}{price}"
    said = [_where(name, values) for name, values in charge.where.items()]
    if charge.included:
        said.append(f"{charge.included:,f} included")
    if charge.rollover_percent is not None:
        said.append(f"{charge.rollover_percent:f} % of what is left of it carried over")
    if charge.minimum is not None:
        said.append(f"at least {charge.minimum:f}")
    if charge.maximum is not None:
        said.append(f"at most {charge.maximum:f}")
    if charge.commitment is not None:
        said.append(f"{charge.commitment.amount:f} committed")
    if charge.itemize:
        said.append(f"a line for each {' and '.join(charge.itemize)}")
    if charge.overlap:
        said.append("counts what other charges count, too")
    if charge.tax_percent is not None:
        said.append(f"{charge.tax_percent:f} % tax")
    said += [f"{each.percent:f} % belongs to {each.payee}" for each in charge.shares]
    return ChargeWords(name=charge.name, price=words, conditions=said)


def _where(name: str, values: tuple[str, ...]) -> str:
    label = f"tag {name.removeprefix('tag.')}" if name.startswith("tag.") else name.replace("_", " ")
    return f"{label} {' or '.join(value or 'none' for value in values)}"
