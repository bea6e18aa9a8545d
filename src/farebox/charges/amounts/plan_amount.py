"""What the charges of a plan come to together, exactly unless lines are rounded.

The order is that of an invoice (`calc_policy` 1): lines, what their charges' minimum and maximum
make of them, the plan's commitment, discounts, then the plan's minimum and maximum. Taxes and
payments belong to an invoice, whose lines are in minor units: see `invoice_arithmetic`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import msgspec

from farebox.charges.amounts.charge_amount import Usage, amount, committed
from farebox.charges.amounts.commitments import capped, top_up, with_overage
from farebox.charges.amounts.net_amounts import LineAmount, net_amounts
from farebox.charges.models import CostPlus
from farebox.charges.plan import Charge, Commitment, Plan
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
    added = commitment_on(plan.commitment, (line for _, line in charged))
    own = {charge.name: charge.discounts for charge in plan.charges}
    net = net_amounts(
        [LineAmount(amount=line, charge=name, discounts=own.get(name, ())) for name, line in lines]
        + [LineAmount(amount=added)],
        plan.discounts,
        minimum=None if plan.minimum is None else Fraction(plan.minimum) * factor,
        maximum=None if plan.maximum is None else Fraction(plan.maximum) * factor,
        previously_billed=previously_billed,
        is_last=is_last,
    )
    return PlanAmounts(
        lines=tuple(lines),
        commitment=added,
        discount=sum((*net.own_discounts, *net.discounts), Fraction(0)),
        top_up=net.top_up,
        above_maximum=sum(net.above_maximum, Fraction(0)),
    )


def commitment_on(agreed: Commitment | None, amounts: Iterable[Fraction]) -> Fraction:
    """Return what a commitment of a plan adds to what its charges come to."""
    used = sum(amounts, Fraction(0))
    return Fraction(0) if agreed is None else with_overage(used, agreed) - used


def charge_amount(charge: Charge, usage: ChargeUsage, rounding: Rounding | None = None) -> Fraction:
    """Return what a charge comes to: its lines rounded once each, then its minimum and maximum."""
    rated = sum((_rounded(line, rounding) for line in lines_of(charge, usage)), Fraction(0))
    missing, above = bounds_on(rated, charge.minimum, charge.maximum)
    return rated + missing - above


def bounds_on(rated: Fraction, minimum: Amount | None, maximum: Amount | None) -> tuple[Fraction, Fraction]:
    """Return what the minimum of a charge adds to its lines, and what its maximum takes off both."""
    missing = top_up(rated, minimum)
    return missing, rated + missing - capped(rated + missing, maximum)


def lines_of(charge: Charge, usage: ChargeUsage) -> list[Fraction]:
    """Return the lines of a charge, exactly: of an itemized cost-plus charge each part, else all of it."""
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
