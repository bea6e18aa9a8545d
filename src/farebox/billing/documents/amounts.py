"""Amounts and quantities as documents write them: from integers and decimal text, never a float."""

from __future__ import annotations

import re
from fractions import Fraction

MINUS = "\N{MINUS SIGN}"
FRACTION_DIGITS = 6
_DECIMAL = re.compile(r"-?[0-9]{1,60}(?:\.[0-9]{1,60})?")
_RATIO = re.compile(r"-?[0-9]{1,200}/0*[1-9][0-9]{0,199}")


def amount_text(minor: int, exponent: int) -> str:
    """Return an amount in its currency's units, for machines: `-1234.50`."""
    digits = str(abs(minor)).rjust(exponent + 1, "0")
    point = len(digits) - exponent
    text = digits[:point] + (f".{digits[point:]}" if exponent else "")
    return f"-{text}" if minor < 0 else text


def amount_shown(minor: int, exponent: int) -> str:
    """Return an amount for people: `−1,234.50`."""
    return grouped(amount_text(minor, exponent))


def grouped(text: str) -> str:
    """Return decimal text with its thousands apart and a real minus sign; other text as it is."""
    if not _DECIMAL.fullmatch(text):
        return text
    whole, point, fraction = text.removeprefix("-").partition(".")
    whole = whole.lstrip("0") or "0"
    while len(fraction) > 2 and fraction.endswith("0"):
        fraction = fraction[:-1]
    triples: list[str] = []
    while whole:
        whole, triple = whole[:-3], whole[-3:]
        triples.insert(0, triple)
    sign = MINUS if text.startswith("-") else ""
    return f"{sign}{','.join(triples)}{point}{fraction}"


def counted(number: int, noun: str) -> str:
    """Return `1 call`, `1,234 calls`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def exact_shown(text: str) -> str:
    """Return an exact amount for people; what no decimal writes ends in an ellipsis: `0.333333…`."""
    if not _RATIO.fullmatch(text):
        return grouped(text)
    ratio = Fraction(text)
    scaled, rest = divmod(abs(ratio.numerator) * 10**FRACTION_DIGITS, ratio.denominator)
    shown = grouped(amount_text(scaled, FRACTION_DIGITS))
    return f"{MINUS if ratio < 0 else ''}{shown}{'…' if rest else ''}"
