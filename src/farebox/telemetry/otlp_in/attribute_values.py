"""Values of attributes, as far as they are used: counts, short texts, and the id inside a response."""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec

from farebox.telemetry.otlp_in.records import Attributes, MalformedError

TEXT_MAX = 4096
"""Bytes of a text that is read: usage in JSON is the longest."""
VALUES_MAX = 32
_COUNT_MAX = 2**53
_EXPONENT_MAX = 18
"""Of a number with an exponent: one without end would be worked out for ever."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/+=-]{3,127}")
_NUMBER = re.compile(r"\d{1,16}", re.ASCII)


class _Response(msgspec.Struct):
    id: str | None = None


_decode_response = msgspec.json.Decoder(_Response).decode


def response_id(text: str) -> str | None:
    """Return the id of a response in JSON; nothing else of it is looked at."""
    if not text.startswith("{"):
        return None
    try:
        found = _decode_response(text).id
    except (msgspec.MsgspecError, RecursionError):
        return None
    return found if found is not None and _ID.fullmatch(found) else None


def text_of(attributes: Attributes, names: tuple[str, ...]) -> str | None:
    """Return the first of some attributes that is text or a number, at most 256 characters of it."""
    for name in names:
        value = attributes.get(name)
        if value is None:
            continue
        if isinstance(value, str) and value:
            return value[:256]
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)[:256]
    return None


def count_of(attributes: Attributes, names: tuple[str, ...]) -> int | None:
    """Return the first of some attributes as a count.

    Raises:
        MalformedError: It is none.
    """
    for name in names:
        value = attributes.get(name)
        if value is None or isinstance(value, bool | list):
            continue
        if isinstance(value, str):
            if not _NUMBER.fullmatch(value.strip()):
                raise MalformedError(f"{name} is no count")
            value = int(value)
        if isinstance(value, float):
            if not value.is_integer():
                raise MalformedError(f"{name} is no count")
            value = int(value)
        if not 0 <= value <= _COUNT_MAX:
            raise MalformedError(f"{name} is no count")
        return value
    return None


def number_of(attributes: Attributes, names: tuple[str, ...]) -> Decimal | None:
    """Return the first of some attributes that is a number of a usual size, exactly as it is written."""
    for name in names:
        value = attributes.get(name)
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            try:
                found = Decimal(str(value))
            except ArithmeticError:
                continue
            if found.is_finite() and (not found or abs(found.adjusted()) <= _EXPONENT_MAX):
                return found
    return None


def is_true(attributes: Attributes, names: tuple[str, ...]) -> bool:
    """Tell whether the first of some attributes says yes."""
    for name in names:
        if name in attributes:
            return attributes[name] is True or attributes[name] == "true"
    return False
