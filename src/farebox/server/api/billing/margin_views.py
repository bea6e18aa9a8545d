"""Margins as `/api/v1/margin` and `farebox margin --json` show them. Amounts are decimal text."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec

from farebox.billing.margin.margin import Margin, percent_text, total
from farebox.charges.rounding import round_to
from farebox.money import usd_text

if TYPE_CHECKING:
    from farebox.billing.margin.margin_question import MarginsOfPeriod

Text = str
"""Decimal text."""

USD_DECIMALS = 6


class MarginRow(msgspec.Struct, kw_only=True):
    """What is earned with one customer, agent, model or outcome."""

    value: str | None
    """Empty: usage that states none. None: what belongs to no value, as base fees, minimums and rounding do
    where anything but customers is asked for."""
    revenue_usd: Text | None
    """Before tax; None where it is in a currency without a rate."""
    cost_usd: Text
    """What providers charge."""
    margin_usd: Text | None
    margin_percent: Text | None
    """Of the revenue, to one decimal; None without revenue."""
    calls: int
    unpriced_calls: int
    """More than zero: the cost is at least, the margin at most what is here."""
    revenue_unpriced_calls: int
    """Of these, calls whose cost makes revenue: that is at least what is here, and the margin may be more."""
    estimated_calls: int
    below: bool
    """The margin is below what was asked for; false where nothing was."""


class Margins(msgspec.Struct, kw_only=True):
    """`/api/v1/margin`, `farebox margin --json`."""

    schema: str = "farebox.margin/1"
    since: str
    """The billing periods that begin on this local date of each customer or later, and"""
    until: str
    """before this one."""
    by: str
    below_percent: Text | None
    """What `below` compares with."""
    as_of_seq: int
    """The newest row of the record that is in it."""
    rows: list[MarginRow]
    """The lowest margin first; with `below`, only those below it."""
    total: MarginRow


def margins_view(found: MarginsOfPeriod, below: Fraction | None = None) -> Margins:
    """Return margins as they are shown; with `below`, only rows whose margin is below that percentage."""
    rows = [_row(each, below) for each in found.margins]
    return Margins(
        since=found.since.isoformat(),
        until=found.until.isoformat(),
        by=found.by,
        below_percent=None if below is None else _decimal(below),
        as_of_seq=found.as_of_seq,
        rows=rows if below is None else [row for row in rows if row.below],
        total=_row(total(found.margins), below),
    )


def read_percent(text: str) -> Fraction:
    """Return a percentage written as `20%`, `20` or `-12.5`.

    Raises:
        ValueError: With what was expected.
    """
    digits = text.strip().removesuffix("%").strip()
    whole, point, rest = digits.removeprefix("-").partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 6 and len(rest) <= 6):
        raise ValueError("a percentage, as in 20%")
    if point and not (rest.isascii() and rest.isdigit()):
        raise ValueError("a percentage, as in 20%")
    return Fraction(digits)


def _row(each: Margin, below: Fraction | None) -> MarginRow:
    return MarginRow(
        value=each.value,
        revenue_usd=_usd(each.revenue_usd),
        cost_usd=usd_text(each.cost_pico),
        margin_usd=_usd(each.margin_usd),
        margin_percent=percent_text(each.percent),
        calls=each.calls,
        unpriced_calls=each.unpriced_calls,
        revenue_unpriced_calls=each.revenue_unpriced_calls,
        estimated_calls=each.estimated_calls,
        below=below is not None and each.value is not None and each.is_below(below),
    )


def _usd(amount: Fraction | None) -> Text | None:
    return None if amount is None else _decimal(amount)


def _decimal(amount: Fraction) -> Text:
    """Return an amount as a decimal, rounded to millionths where no shorter one is exact."""
    text = f"{round_to(amount, USD_DECIMALS):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
