"""Credit notes: what of an invoice is given back for the part of a period that is not used."""

from __future__ import annotations

from fractions import Fraction

import msgspec

from farebox.charges.periods.proration import prorated
from farebox.charges.rounding import Amount, units_of


class CreditedAmounts(msgspec.Struct, frozen=True):
    """In minor units. The total is the sum of the rounded parts, as it is of an invoice."""

    net_minor: int
    tax_minor: int

    @property
    def total_minor(self) -> int:
        return self.net_minor + self.tax_minor


def credited(
    net: Amount, tax_percent: Amount, exponent: int, *, unused_days: int = 1, days_in_period: int = 1
) -> CreditedAmounts:
    """Return what is credited of a net amount for the unused days of its period, and the tax on it.

    The tax is that of the exact net amount, so that crediting all of an invoice gives back its tax.
    """
    exact = prorated(net, unused_days, days_in_period)
    return CreditedAmounts(units_of(exact, exponent), units_of(exact * Fraction(tax_percent) / 100, exponent))
