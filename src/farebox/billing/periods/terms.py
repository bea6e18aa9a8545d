"""What an invoice is rated by: the customer's terms and the plan versions of the period, whole.

They are kept with a final invoice, so that what the record learns later is rated by the same terms, whatever
became of plans, subscriptions and customers since.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec

from farebox.charges.plan import Discount, Plan
from farebox.charges.rounding import units_of


class DatedRate(msgspec.Struct, frozen=True, kw_only=True):
    """What a dollar of cost is in the customer's currency, from an instant on."""

    from_ns: int
    rate: str
    """A decimal, or numerator/denominator."""


class Segment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of a period in which one version of a plan was in force."""

    subscription: str
    plan: Plan
    """With the subscription's own terms in place of the plan's."""
    from_ns: int
    until_ns: int
    """`[from_ns, until_ns)`; usage is split at these instants."""
    days: int
    """The customer's own days in it."""
    of_days: int
    """The period's."""
    billed_days: int = 0
    """Of a base fee in advance: the days of this period that the invoice before billed."""
    next_days: int = 0
    """Of a base fee in advance: the subscription's days in the next period, zero where it ends before."""
    next_of_days: int = 0
    next_until_ns: int = 0
    billed_base: str | None = None
    """What these days were billed at, exactly: less what discounts took off. None: the base fee for them."""
    dollar_rates: tuple[DatedRate, ...] = ()
    """What a dollar of cost is in the customer's currency, oldest first; empty in USD."""
    carried_units: dict[str, str] = {}
    """Units that charges carry over from the period before, by the charge's name, exactly."""

    @property
    def factor(self) -> Fraction:
        """What base fees, included units and minimums are multiplied by."""
        return Fraction(self.days, self.of_days)


class UnusedAdvance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A base fee billed in advance for a period that the subscription has no day in."""

    subscription: str
    plan: str
    plan_version: int
    from_ns: int
    until_ns: int
    exact: str
    """Below zero: what is given back."""
    tax_percent: str | None = None
    of_invoice: str
    note: str


class Terms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything but usage that a customer's period is rated by."""

    customer: str
    currency: str
    exponent: int
    timezone: str
    tax_percent: Decimal = Decimal(0)
    from_ns: int
    until_ns: int
    verified: bool = False
    """Only calls whose customer is verified count."""
    segments: tuple[Segment, ...] = ()
    discounts: tuple[Discount, ...] = ()
    """Of the customer, beside those of the plans: coupons."""
    unused_advances: tuple[UnusedAdvance, ...] = ()

    def versions_of(self, segment: Segment) -> list[Segment]:
        """Return the segments of a segment's plan that follow one another in the period, itself included.

        What a plan has once for a period (an add-on, a fixed discount) they have once together.
        """
        return [
            each
            for each in self.segments
            if each is segment
            or (
                each.plan.name == segment.plan.name
                and (each.until_ns <= segment.from_ns or segment.until_ns <= each.from_ns)
            )
        ]

    def once(self, segment: Segment, amount: Decimal) -> Fraction:
        """Return a segment's part of an amount that is due once for all versions of its plan, by days.

        Parts are whole minor units, and add up.
        """
        versions = self.versions_of(segment)
        if len(versions) == 1:
            return Fraction(amount)
        days = [each.days for each in versions]
        before = sum(days[: versions.index(segment)])
        until, whole = before + segment.days, sum(days)
        units = units_of(Fraction(amount) * Fraction(until, whole), self.exponent) - units_of(
            Fraction(amount) * Fraction(before, whole), self.exponent
        )
        return Fraction(units, 10**self.exponent)

    @property
    def charge_names(self) -> set[str]:
        """The names of all charges of the period's plans."""
        return {charge.name for each in self.segments for charge in each.plan.charges}

    @property
    def grace_hours(self) -> int:
        """How long after its end a period is recomputed before its invoice is final."""
        return max((each.plan.grace_hours for each in self.segments), default=48)


def encode_terms(terms: Terms) -> bytes:
    """Return the terms as canonical JSON."""
    return msgspec.json.encode(terms, order="sorted")


def decode_terms(content: bytes) -> Terms:
    """Return stored terms.

    Raises:
        msgspec.MsgspecError: They are none.
    """
    return msgspec.json.decode(content, type=Terms)
