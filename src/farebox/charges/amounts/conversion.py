"""From the quantity that was measured to the unit that is charged."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from farebox.charges.amounts.allowances import free_units
from farebox.charges.plan import Charge, Conversion
from farebox.charges.rounding import Amount, Mode, units_of

_MODES: dict[str, Mode] = {"ceiling": "ceiling", "floor": "floor", "half_up": "half_up"}


def converted(quantity: Amount, conversion: Conversion | None) -> Fraction:
    """Return a quantity in the unit a conversion makes of it, rounded to whole units where it says so."""
    exact = in_unit(quantity, conversion)
    if conversion is None or conversion.rounding == "none":
        return exact
    return Fraction(units_of(exact, 0, _MODES[conversion.rounding]))


def in_unit(quantity: Amount, conversion: Conversion | None) -> Fraction:
    """Return a quantity, or a part of one, in the unit a conversion makes of it, exactly."""
    exact = quantity if isinstance(quantity, Fraction) else Fraction(quantity)
    if conversion is None:
        return exact
    factor = Fraction(conversion.factor)
    return exact * factor if conversion.operation == "multiply" else exact / factor


def rated_quantity(charge: Charge, quantity: Amount) -> Fraction:
    """Return what a charge's model is applied to: converted, less what is free, in whole blocks."""
    return rated_units(charge, converted(quantity, charge.conversion))


def rated_units(charge: Charge, exact: Fraction) -> Fraction:
    """Return what is left of converted units: less what is free, in whole blocks."""
    free = free_units(charge)
    if free:
        exact = max(exact - free, Fraction(0))
    if charge.block_size is not None:
        exact = Fraction(ceil(exact / Fraction(charge.block_size)))
    if charge.round_up_to is not None:
        multiple = Fraction(charge.round_up_to)
        exact = ceil(exact / multiple) * multiple
    return exact
