"""Two ratings of the same customers beside each other: before, after, who pays more and who pays less.

Pure. Amounts are before tax, in minor units of each customer's own currency; currencies are never added up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import msgspec

from farebox.billing.documents.document import InvoiceLine
from farebox.money import PicoUsd


class RatedCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's lines of the periods that are looked at, and what providers charge for their usage."""

    customer: str
    currency: str
    exponent: int
    lines: tuple[InvoiceLine, ...] = ()
    cost_pico: PicoUsd = 0
    unpriced_calls: int = 0

    @property
    def total_minor(self) -> int:
        return sum(line.amount_minor for line in self.lines)


class ChargeDifference(msgspec.Struct, frozen=True, kw_only=True):
    """What one charge comes to; base fees, minimums and discounts go by their title."""

    charge: str
    before_minor: int
    after_minor: int


class CustomerDifference(msgspec.Struct, frozen=True, kw_only=True):
    """What changes for one customer."""

    customer: str
    currency: str
    exponent: int
    before_minor: int
    after_minor: int
    charges: tuple[ChargeDifference, ...]
    """Those that change, the largest change first."""
    cost_before_pico: PicoUsd
    cost_after_pico: PicoUsd
    unpriced_before: int
    """Calls without a price: the amounts may be lower bounds."""
    unpriced_after: int

    @property
    def difference_minor(self) -> int:
        """What the customer pays more; negative: less."""
        return self.after_minor - self.before_minor

    @property
    def percent(self) -> Fraction | None:
        """The difference in percent of the amount before; None where that was zero."""
        return Fraction(100 * self.difference_minor, abs(self.before_minor)) if self.before_minor else None


class CurrencyTotal(msgspec.Struct, frozen=True, kw_only=True):
    """All customers of one currency."""

    currency: str
    exponent: int
    before_minor: int
    after_minor: int
    unpriced_before: int
    """Calls without a price: the amounts may be lower bounds."""
    unpriced_after: int
    pay_more: int
    pay_less: int
    pay_the_same: int


def differences(before: Sequence[RatedCustomer], after: Sequence[RatedCustomer]) -> list[CustomerDifference]:
    """Return what changes for each customer: who pays most more first, who pays most less last."""
    rated_after = {each.customer: each for each in after}
    rated_before = {each.customer: each for each in before}
    found = [
        _difference(
            rated_before.get(name) or msgspec.structs.replace(rated_after[name], lines=()),
            rated_after.get(name) or msgspec.structs.replace(rated_before[name], lines=()),
        )
        for name in dict.fromkeys([*rated_before, *rated_after])
    ]
    return sorted(found, key=lambda each: (each.currency, -each.difference_minor, each.customer))


def totals(found: Sequence[CustomerDifference]) -> list[CurrencyTotal]:
    """Return the sums of each currency, by its code."""
    by_currency: dict[str, list[CustomerDifference]] = {}
    for each in found:
        by_currency.setdefault(each.currency, []).append(each)
    return [
        CurrencyTotal(
            currency=currency,
            exponent=some[0].exponent,
            before_minor=sum(each.before_minor for each in some),
            after_minor=sum(each.after_minor for each in some),
            unpriced_before=sum(each.unpriced_before for each in some),
            unpriced_after=sum(each.unpriced_after for each in some),
            pay_more=sum(each.difference_minor > 0 for each in some),
            pay_less=sum(each.difference_minor < 0 for each in some),
            pay_the_same=sum(each.difference_minor == 0 for each in some),
        )
        for currency, some in sorted(by_currency.items())
    ]


def _difference(before: RatedCustomer, after: RatedCustomer) -> CustomerDifference:
    had, has = _by_charge(before.lines), _by_charge(after.lines)
    charges = [
        ChargeDifference(charge=name, before_minor=had.get(name, 0), after_minor=has.get(name, 0))
        for name in dict.fromkeys([*had, *has])
        if had.get(name, 0) != has.get(name, 0)
    ]
    return CustomerDifference(
        customer=after.customer,
        currency=after.currency,
        exponent=after.exponent,
        before_minor=before.total_minor,
        after_minor=after.total_minor,
        charges=tuple(sorted(charges, key=lambda each: -abs(each.after_minor - each.before_minor))),
        cost_before_pico=before.cost_pico,
        cost_after_pico=after.cost_pico,
        unpriced_before=before.unpriced_calls,
        unpriced_after=after.unpriced_calls,
    )


def _by_charge(lines: Sequence[InvoiceLine]) -> Mapping[str, int]:
    amounts: dict[str, int] = {}
    for line in lines:
        name = line.charge or line.title
        amounts[name] = amounts.get(name, 0) + line.amount_minor
    return amounts
