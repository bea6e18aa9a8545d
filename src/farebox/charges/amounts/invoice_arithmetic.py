"""The order of application on an invoice, in minor units of its currency (`calc_policy` 1).

Line discounts, then invoice discounts on the remainder, then minimum and maximum, then tax on the
sums of rounded lines, then credits as payment. Every line comes rounded, and every amount that
concerns several lines is rounded once and shared out by largest remainder.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import msgspec

from farebox.charges.amounts.discounts import spread
from farebox.charges.amounts.net_amounts import LineAmount, net_amounts
from farebox.charges.amounts.taxes import TaxAmount, TaxRounding, taxes_of
from farebox.charges.plan import Discount
from farebox.charges.rounding import Amount, units_of

CALC_POLICY = 1
"""The order and the rounding that this module applies, named on every invoice."""


class RatedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line before discounts, in minor units."""

    id: str
    amount_minor: int
    tax_percent: Decimal = Decimal(0)
    charge: str = ""
    """What discounts limited to a charge look at."""
    discounts: tuple[Discount, ...] = ()
    """The line's own, in the order they are taken."""
    is_bounded: bool = True
    """Counts towards minimum and maximum."""


class Credit(msgspec.Struct, frozen=True, kw_only=True):
    """What may pay for an invoice: a grant, a wallet, a credit note."""

    id: str
    amount_minor: int
    applies_to: tuple[str, ...] = ()
    """Lines it may pay for; none means all."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What applies to an invoice as a whole."""

    exponent: int = 2
    discounts: tuple[Discount, ...] = ()
    minimum: Amount | None = None
    maximum: Amount | None = None
    """Of all lines together before tax, in major units."""
    previously_billed_minor: int = 0
    """Of the same period, before tax: counts towards both."""
    is_last: bool = True
    """The last invoice of its period: only then is the minimum due."""
    tax_percent: Decimal = Decimal(0)
    """On what the minimum adds; lines have their own."""
    credits: tuple[Credit, ...] = ()
    credits_position: Literal["after_tax", "before_tax"] = "after_tax"
    tax_rounding: TaxRounding = "rate"


class NetLine(msgspec.Struct, frozen=True, kw_only=True):
    """What each step made of a line, in minor units; what is taken off is positive."""

    id: str
    amount_minor: int
    line_discount_minor: int
    invoice_discount_minor: int
    above_maximum_minor: int
    tax_percent: Decimal

    @property
    def net_minor(self) -> int:
        """Return the line before tax."""
        taken = self.line_discount_minor + self.invoice_discount_minor + self.above_maximum_minor
        return self.amount_minor - taken


class InvoiceAmounts(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice in minor units, step by step."""

    lines: tuple[NetLine, ...]
    subtotal_minor: int
    """The sum of the lines before discounts."""
    discount_minor: int
    top_up_minor: int
    """What the minimum adds."""
    above_maximum_minor: int
    """What the maximum takes off."""
    taxes: tuple[TaxAmount, ...]
    """By rate, lowest first."""
    total_minor: int
    """With tax, before credits."""
    credits: tuple[tuple[str, int], ...]
    """What each credit paid, in their order; those that paid nothing are left out."""
    due_minor: int
    carried_minor: int
    """Zero, or the negative amount that the next invoice starts with."""

    @property
    def tax_minor(self) -> int:
        return sum(tax.tax_minor for tax in self.taxes)

    @property
    def credits_minor(self) -> int:
        return sum(amount for _, amount in self.credits)


def invoice_amounts(lines: Sequence[RatedLine], terms: Terms) -> InvoiceAmounts:
    """Return what the lines come to, step by step."""
    unit = Fraction(1, 10**terms.exponent)
    net_of = net_amounts(
        [
            LineAmount(
                amount=line.amount_minor * unit,
                charge=line.charge,
                discounts=line.discounts,
                is_bounded=line.is_bounded,
            )
            for line in lines
        ],
        terms.discounts,
        minimum=terms.minimum,
        maximum=terms.maximum,
        previously_billed=terms.previously_billed_minor * unit,
        is_last=terms.is_last,
        exponent=terms.exponent,
    )
    own = [units_of(off, terms.exponent) for off in net_of.own_discounts]
    shared = [units_of(off, terms.exponent) for off in net_of.discounts]
    over = [units_of(off, terms.exponent) for off in net_of.above_maximum]
    added = units_of(net_of.top_up, terms.exponent)
    nets = tuple(
        NetLine(
            id=line.id,
            amount_minor=line.amount_minor,
            line_discount_minor=own[index],
            invoice_discount_minor=shared[index],
            above_maximum_minor=over[index],
            tax_percent=line.tax_percent,
        )
        for index, line in enumerate(lines)
    )
    bases = [(line.id, line.net_minor, line.tax_percent) for line in nets]
    if added:
        bases.append(("", added, terms.tax_percent))
    paid: tuple[tuple[str, int], ...] = ()
    net = sum(amount for _, amount, _ in bases)
    if terms.credits_position == "before_tax":
        bases, paid = _paid_before_tax(bases, terms.credits)
    taxes = taxes_of(((percent, amount) for _, amount, percent in bases), terms.tax_rounding)
    total = net + sum(tax.tax_minor for tax in taxes)
    if terms.credits_position == "after_tax":
        paid = _paid_after_tax(bases, total, terms.credits)
    left = total - sum(amount for _, amount in paid)
    return InvoiceAmounts(
        lines=nets,
        subtotal_minor=sum(line.amount_minor for line in lines),
        discount_minor=sum(own) + sum(shared),
        top_up_minor=added,
        above_maximum_minor=sum(over),
        taxes=taxes,
        total_minor=total,
        credits=paid,
        due_minor=max(left, 0),
        carried_minor=min(left, 0),
    )


_Base = tuple[str, int, Decimal]
"""A line, what of it is taxed, and the rate."""


def _paid_before_tax(
    bases: Sequence[_Base], credits_: Sequence[Credit]
) -> tuple[list[_Base], tuple[tuple[str, int], ...]]:
    """Return what is left to tax once credits have paid for lines, and what each paid."""
    left = [amount for _, amount, _ in bases]
    paid: list[tuple[str, int]] = []
    for credit in credits_:
        covered = [
            amount if not credit.applies_to or line in credit.applies_to else 0
            for (line, _, _), amount in zip(bases, left, strict=True)
        ]
        open_minor = min(sum(max(amount, 0) for amount in covered), max(sum(left), 0))
        part = min(credit.amount_minor, open_minor)
        if part > 0:
            left = [amount - off for amount, off in zip(left, spread(part, covered), strict=True)]
            paid.append((credit.id, part))
    return [(line, rest, rate) for (line, _, rate), rest in zip(bases, left, strict=True)], tuple(paid)


def _paid_after_tax(
    bases: Sequence[_Base], total: int, credits_: Sequence[Credit]
) -> tuple[tuple[str, int], ...]:
    """Return what each credit pays of a total; one limited to lines pays at most those with their tax."""
    due = max(total, 0)
    gross = {line: max(units_of(amount * (1 + Fraction(rate) / 100), 0), 0) for line, amount, rate in bases}
    paid: list[tuple[str, int]] = []
    for credit in credits_:
        part = min(credit.amount_minor, due)
        if credit.applies_to:
            part = min(part, sum(gross.get(line, 0) for line in credit.applies_to))
        if part <= 0:
            continue
        due -= part
        paid.append((credit.id, part))
        left = part if credit.applies_to else 0
        for line in credit.applies_to:
            off = min(gross.get(line, 0), left)
            gross[line] = gross.get(line, 0) - off
            left -= off
    return tuple(paid)
