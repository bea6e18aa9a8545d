"""Percentage: a rate on amounts of money, as of outcomes with a value."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec


class Percentage(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="model", tag="percentage"
):
    """`rate_percent` of each event's amount and a fixed amount an event, after what is free."""

    rate_percent: Decimal
    fixed_per_event: Decimal = Decimal(0)
    free_events: int | None = None
    free_amount: Decimal | None = None
    """What is free ends with whichever of the two is used up first."""
    event_minimum: Decimal | None = None
    event_maximum: Decimal | None = None
    """Bounds of one event's charge, its fixed amount included."""

    @property
    def is_per_event(self) -> bool:
        """Whether the price depends on how an amount is made up of events."""
        bounds = (self.free_events, self.event_minimum, self.event_maximum)
        return bool(self.fixed_per_event) or any(bound is not None for bound in bounds)

    def total(self, events: Sequence[Fraction]) -> Fraction:
        """Return what a period's events cost, given in their order."""
        total, seen = Fraction(0), Fraction(0)
        for number, amount in enumerate(events, start=1):
            seen += amount
            charged = self._charged(number, amount, seen)
            if charged is not None:
                total += self._price(charged)
        return total

    def _charged(self, number: int, amount: Fraction, seen: Fraction) -> Fraction | None:
        """Return the part of an event that is not free, None for an event that is free as a whole."""
        if self.free_events is None and self.free_amount is None:
            return amount
        if self.free_events is not None and number > self.free_events:
            return amount
        if self.free_amount is None:
            return None
        beyond = seen - Fraction(self.free_amount)
        return min(amount, beyond) if beyond > 0 else None

    def _price(self, amount: Fraction) -> Fraction:
        price = amount * Fraction(self.rate_percent) / 100 + Fraction(self.fixed_per_event)
        if self.event_minimum is not None:
            price = max(price, Fraction(self.event_minimum))
        if self.event_maximum is not None:
            price = min(price, Fraction(self.event_maximum))
        return price
