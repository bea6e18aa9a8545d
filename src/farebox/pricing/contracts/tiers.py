"""Prices that depend on how much a customer has used in the month: graduated and volume tiers.

Pure: what the month has seen so far is handed in. A call is charged the difference it makes to the
month, so that the charges of a month add up to the month's charge, whatever the order.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import msgspec

from farebox.money import PicoUsd
from farebox.pricing.exact import rounded

Mode = Literal["graduated", "volume"]
Measure = Literal["tokens", "calls", "usd"]


class MonthToDate(msgspec.Struct, frozen=True):
    """What a contract's term has seen in one calendar month (UTC) before a call."""

    units: int = 0
    """Tokens, calls, or pico-dollars at list price, as the term measures."""
    base_pico: PicoUsd = 0
    """The same calls at list price."""


class Step(msgspec.Struct, frozen=True):
    """One tier: `up_to` belongs to it, the next one starts just above."""

    up_to: int | None
    numerator: int
    denominator: int
    """Pico-dollars a unit, or for `is_factor` a factor on the list cost."""
    is_factor: bool
    flat_pico: PicoUsd = 0
    """Due once usage enters the tier."""


class Tiers(msgspec.Struct, frozen=True):
    """The tiers of one term, lowest first; the last one has no end."""

    mode: Mode
    measure: Measure
    steps: tuple[Step, ...]

    def charge(self, before: MonthToDate, units: int, base_pico: PicoUsd) -> PicoUsd:
        """Return what `units` more cost after `before`: negative where volume makes all cheaper."""
        if self.mode == "graduated" and self.measure != "usd" and self.steps[0].is_factor:
            return _rounded(self._sliced(before.units, units, base_pico))
        after = MonthToDate(before.units + units, before.base_pico + base_pico)
        return _rounded(self.total(after)) - _rounded(self.total(before))

    def total(self, month: MonthToDate) -> Fraction:
        """Return the charge of a whole month, exactly."""
        if month.units <= 0 and not month.base_pico:
            return Fraction(0)
        if self.mode == "volume":
            step = self.step_at(month.units)
            base = month.base_pico if step.is_factor else month.units
            return base * _rate(step) + step.flat_pico
        amount, start = Fraction(0), 0
        for step in self.steps:
            if month.units <= start:
                break
            end = month.units if step.up_to is None else min(step.up_to, month.units)
            amount += (end - start) * _rate(step) + step.flat_pico
            start = end
        return amount

    def step_at(self, units: int) -> Step:
        """Return the tier in which a count falls, its upper bound included."""
        return next(step for step in self.steps if step.up_to is None or units <= step.up_to)

    def _sliced(self, start: int, units: int, base_pico: PicoUsd) -> Fraction:
        """Return a call's list cost with each tier's factor on the share of its units in there."""
        if not units:
            return base_pico * _rate(self.step_at(start))
        amount, below = Fraction(0), 0
        for step in self.steps:
            top = start + units if step.up_to is None else min(step.up_to, start + units)
            share = top - max(start, below)
            if share > 0:
                amount += Fraction(base_pico * share, units) * _rate(step)
            if share > 0 and below >= start:
                amount += step.flat_pico
            below = max(below, top)
        return amount


def _rate(step: Step) -> Fraction:
    return Fraction(step.numerator, step.denominator)


def _rounded(amount: Fraction) -> PicoUsd:
    return rounded(amount.numerator, amount.denominator)
