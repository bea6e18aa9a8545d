"""What the charges of a plan come to together, exactly unless lines are rounded.

The order is that of an invoice (`calc_policy` 1): lines, what their charges' minimum and maximum
make of them, the plan's commitment, discounts, then the plan's minimum and maximum. Taxes and
payments belong to an invoice, whose lines are in minor units: see `invoice_arithmetic`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import msgspec

from farebox.charges.charge_amount import Usage, amount, committed
from farebox.charges.commitments import capped, top_up, with_overage
from farebox.charges.discounts import discount_on
from farebox.charges.models import CostPlus
from farebox.charges.plan import Charge, Discount, Plan
from farebox.charges.rounding import Amount, Mode, round_to


class Rounding(msgspec.Struct, frozen=True, kw_only=True):
    """How an amount is rounded to `scale` decimal places."""

    scale: int
    mode: Mode = "half_up"

    def of(self, exact: Fraction) -> Fraction:
        return Fraction(round_to(exact, self.scale, self.mode))


class ChargeUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What one charge of a plan is applied to."""

    parts: tuple[Usage, ...]
    """One for each group of an itemized cost-plus charge, or for each window of a commitment that has
    windows. Of other charges they are added up."""
    before: tuple[Usage, ...] = ()
    """What was billed of the same period already, part by part; empty where nothing was."""


class PlanAmounts(msgspec.Struct, frozen=True, kw_only=True):
    """A plan's amounts, in major units; what is taken off is positive."""

    lines: tuple[tuple[str, Fraction], ...]
    """The base fee, charges and add-ons by name, in the order of the plan."""
    commitment: Fraction
    """What the plan's commitment adds."""
    discount: Fraction
    top_up: Fraction
    """What the plan's minimum adds."""
    above_maximum: Fraction
    """What the plan's maximum takes off."""

    @property
    def total(self) -> Fraction:
        """Return what is due before tax."""
        lines = sum((line for _, line in self.lines), Fraction(0))
        return lines + self.commitment - self.discount + self.top_up - self.above_maximum


def plan_amounts(
    plan: Plan,
    usage: Mapping[str, ChargeUsage],
    *,
    rounding: Mapping[str, Rounding] | None = None,
    previously_billed: Amount = 0,
    is_last: bool = True,
    part: Amount = 1,
) -> PlanAmounts:
    """Return what the usage of each charge, by its name, comes to under a plan.

    `rounding` is that of lines, by the name of their charge or add-on. `previously_billed` of the
    same period counts towards the plan's minimum and maximum, of which `part` is due in a part of a
    period, as of its base fee; charges come as they are in that part. Add-ons of a date are left out.
    """
    rules = rounding or {}
    factor = Fraction(part)
    charged = [
        (charge, charge_amount(charge, usage[charge.name], rules.get(charge.name)))
        for charge in plan.charges
        if charge.name in usage
    ]
    lines = [(charge.name, line) for charge, line in charged]
    if plan.base:
        lines.insert(0, (plan.name, _rounded(Fraction(plan.base) * factor, rules.get(plan.name))))
    lines += [
        (each.name, _rounded(Fraction(each.amount) * Fraction(each.quantity), rules.get(each.name)))
        for each in plan.addons
        if each.on is None
    ]
    used = sum((line for _, line in charged), Fraction(0))
    added = Fraction(0) if plan.commitment is None else with_overage(used, plan.commitment) - used
    own = {charge.name: charge.discounts for charge in plan.charges}
    discount = _discount([*lines, ("", added)], own, plan.discounts)
    net = sum((line for _, line in lines), Fraction(0)) + added - discount
    missing = top_up(
        net,
        None if plan.minimum is None else Fraction(plan.minimum) * factor,
        previously_billed=previously_billed,
        is_last=is_last,
    )
    allowed = capped(
        net + missing,
        None if plan.maximum is None else Fraction(plan.maximum) * factor,
        previously_billed=previously_billed,
    )
    return PlanAmounts(
        lines=tuple(lines),
        commitment=added,
        discount=discount,
        top_up=missing,
        above_maximum=net + missing - allowed,
    )


def charge_amount(charge: Charge, usage: ChargeUsage, rounding: Rounding | None = None) -> Fraction:
    """Return what a charge comes to: its lines rounded once each, then its minimum and maximum."""
    amounts = [_rounded(line, rounding) for line in _lines(charge, usage)]
    rated = sum(amounts, Fraction(0))
    return capped(rated + top_up(rated, charge.minimum), charge.maximum)


def _lines(charge: Charge, usage: ChargeUsage) -> list[Fraction]:
    """Return the lines of a charge: each group of a cost-plus charge is one, else the charge is."""
    parts, before = usage.parts, usage.before
    if charge.commitment is not None:
        if charge.commitment.window is None:
            parts, before = (_sum(parts),), (_sum(before),) if before else ()
        whole = (
            tuple(earlier + part for earlier, part in zip(before, parts, strict=True)) if before else parts
        )
        return [committed(charge, whole) - (committed(charge, before) if before else 0)]
    if not charge.itemize or not isinstance(charge.model, CostPlus):
        parts, before = (_sum(parts),), (_sum(before),) if before else ()
    if not before:
        return [amount(charge, part) for part in parts]
    return [amount(charge, part, earlier) for part, earlier in zip(parts, before, strict=True)]


def _sum(usages: Sequence[Usage]) -> Usage:
    first, *more = usages or (Usage(),)
    for usage in more:
        first += usage
    return first


def _rounded(exact: Fraction, rounding: Rounding | None) -> Fraction:
    return exact if rounding is None else rounding.of(exact)


def _discount(
    lines: Sequence[tuple[str, Fraction]],
    own: Mapping[str, Sequence[Discount]],
    discounts: Sequence[Discount],
) -> Fraction:
    """Return what discounts take off lines: each line's own first, then the plan's, one after the other."""
    left: list[Fraction] = []
    for name, line in lines:
        for discount in own.get(name, ()):
            line -= discount_on([line], discount)
        left.append(line)
    for discount in discounts:
        covered = [
            max(line, Fraction(0)) if not discount.charges or name in discount.charges else Fraction(0)
            for (name, _), line in zip(lines, left, strict=True)
        ]
        whole = sum(covered, Fraction(0))
        if whole:
            share = discount_on(covered, discount) / whole
            left = [line - of * share for line, of in zip(left, covered, strict=True)]
    return sum((line for _, line in lines), Fraction(0)) - sum(left, Fraction(0))
