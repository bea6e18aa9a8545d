"""One vector: what it states, what the engine made of it, and whether both are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from farebox.charges.currencies import exponent_of
from farebox.charges.rounding import Amount, exact_text, round_to

_PLACES = 9
"""From how many decimal places on an expectation stands for a result that has no end."""


class NotUnderstood(Exception):
    """A vector has a kind, a parameter or a value that the adapter does not know."""


class Stated:
    """Parameters or usage of a vector, that remembers what was read, so that nothing is ignored."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields
        self._read: set[str] = set()
        self._children: list[Stated] = []

    def __contains__(self, key: str) -> bool:
        return self.fields.get(key) is not None

    def raw(self, key: str, default: Any = None) -> Any:
        """Return a field as JSON has it; null is the default."""
        self._read.add(key)
        value = self.fields.get(key)
        return default if value is None else value

    def number(self, key: str, default: str = "0") -> Decimal:
        """Return a field's number."""
        return decimal(self.raw(key, default))

    def optional(self, key: str) -> Decimal | None:
        """Return a field's number, None where there is none."""
        value = self.raw(key)
        return None if value is None else decimal(value)

    def exact(self, key: str, default: str = "0") -> Fraction:
        return Fraction(self.number(key, default))

    def child(self, fields: Mapping[str, Any]) -> Stated:
        """Return fields that stand inside, of which nothing is ignored either."""
        inside = Stated(fields)
        self._children.append(inside)
        return inside

    def unread(self) -> list[str]:
        inside = {name for child in self._children for name in child.unread()}
        return sorted((set(self.fields) - self._read) | inside)


def decimal(value: Any) -> Decimal:
    """Return a stated number exactly."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise NotUnderstood(f"{value!r} is no number")
    try:
        return Decimal(value)
    except InvalidOperation as error:
        raise NotUnderstood(f"{value!r} is no number") from error


@dataclass(frozen=True)
class Result:
    """What the engine makes of a vector."""

    amount: Amount | None = None
    detail: Any = None


@dataclass
class Vector:
    """A vector with its inputs and what it expects."""

    id: str
    kind: str
    parameters: Stated
    usage: Stated
    currency: str | None
    expected_amount: Any
    expected_detail: Any

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Vector:
        return cls(
            id=fields["id"],
            kind=fields["charge_model"],
            parameters=Stated(fields.get("parameters") or {}),
            usage=Stated(fields.get("usage") or {}),
            currency=fields.get("currency"),
            expected_amount=fields.get("expected_amount"),
            expected_detail=fields.get("expected_detail"),
        )

    @property
    def exponent(self) -> int:
        """Return the scale that parameters state, or that of the currency; 2 without one."""
        rounding = self.parameters.raw("rounding")
        if rounding is not None:
            return int(rounding["scale"])
        return 2 if self.currency is None else exponent_of(self.currency)


def rounded(amount: Amount, rounding: Mapping[str, Any] | None) -> Fraction:
    """Return an amount rounded as a vector states, as it is where it states nothing."""
    if rounding is None:
        return Fraction(amount)
    return Fraction(round_to(amount, int(rounding["scale"]), rounding.get("mode", "half_up")))


def difference(vector: Vector, result: Result) -> str | None:
    """Return how a result differs from what is expected, None where it does not."""
    if vector.expected_amount is not None and not _same(vector.expected_amount, result.amount):
        return f"amount {_shown(result.amount)}, expected {vector.expected_amount}"
    if vector.expected_detail is not None and not _same(vector.expected_detail, result.detail):
        return f"detail {_shown(result.detail)}, expected {_shown(vector.expected_detail)}"
    return None


def _same(expected: Any, found: Any) -> bool:
    if isinstance(expected, Mapping):
        return (
            isinstance(found, Mapping)
            and set(expected) == set(found)
            and all(_same(value, found[key]) for key, value in expected.items())
        )
    if isinstance(expected, list | tuple):
        return (
            isinstance(found, list | tuple)
            and len(expected) == len(found)
            and all(_same(one, other) for one, other in zip(expected, found, strict=True))
        )
    one, other = _number(expected), _number(found)
    if one is None or other is None:
        return expected == found
    return one == other or _is_written_out(expected, other)


def _is_written_out(expected: Any, found: Fraction) -> bool:
    """True where a result that no decimal can hold is expected as far as the expectation is written."""
    places = len(str(expected).partition(".")[2])
    return "/" in exact_text(found) and places >= _PLACES and _number(expected) == round_to(found, places)


def _number(value: Any) -> Fraction | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        try:
            return Fraction(Decimal(value))
        except (InvalidOperation, ValueError, OverflowError):
            return None
    return Fraction(value)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_shown(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_shown(each) for each in value) + "]"
    return exact_text(value) if isinstance(value, Fraction) else str(value)
