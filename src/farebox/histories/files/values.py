"""Values of rows: numbers, moments and objects, whichever way a file spells them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, cast

import msgspec

from farebox.histories.files.rows import Row
from farebox.histories.lines import UNREADABLE
from farebox.money import INT64_MAX


class RowError(Exception):
    """A row cannot be imported; says why."""


_EMPTY = frozenset(("", "null", "none", "nan", "n/a", "undefined", r"\n"))
_YES = frozenset(("true", "1", "yes", "t"))
_DIGITS = re.compile(r"\d{9,19}(\.\d+)?")


def value(row: Row, *names: str) -> Any:
    """Return the first of these that a row says something under."""
    for name in names:
        found = row.get(name)
        if found is not None and not (isinstance(found, str) and found.strip().lower() in _EMPTY):
            return found
    return None


def text(row: Row, *names: str) -> str | None:
    """Return a value as text."""
    found = value(row, *names)
    return None if found is None or isinstance(found, dict | list) else str(found).strip()


def is_true(row: Row, *names: str) -> bool:
    """Tell whether a value says yes."""
    return (text(row, *names) or "").lower() in _YES


def count(row: Row, *names: str) -> int:
    """Return a whole number, 0 where there is none.

    Raises:
        RowError: It is no count.
    """
    found = number(row, *names)
    if found is None:
        return 0
    if found < 0 or found != found.to_integral_value():
        raise RowError(f"{names[0]} is no count")
    return int(found)


def number(row: Row, *names: str) -> Decimal | None:
    """Return a number.

    Raises:
        RowError: It is none.
    """
    found = value(row, *names)
    if found is None:
        return None
    try:
        exact = Decimal(str(found).strip().removeprefix("$"))
    except InvalidOperation:
        raise RowError(f"{names[0]} is no number") from None
    if not exact.is_finite() or abs(exact.adjusted()) > 18:
        raise RowError(f"{names[0]} is no number")
    return exact


def moment(row: Row, *names: str) -> int:
    """Return a moment in nanoseconds since 1970, 0 where there is none.

    RFC 3339, the same with a space, without an offset in UTC; or seconds, milliseconds, microseconds or
    nanoseconds since 1970.

    Raises:
        RowError: It is none of these.
    """
    found = value(row, *names)
    if found is None:
        return 0
    said = str(found).strip()
    if _DIGITS.fullmatch(said):
        exact = Decimal(said)
        for digits in (11, 14, 17, 20):
            if exact < 10**digits:
                return _of_a_record(int(exact * 10 ** (20 - digits)), names[0])
    try:
        stamp = datetime.fromisoformat(said.replace(" UTC", "+00:00").replace(" ", "T", 1))
    except ValueError:
        raise RowError(f"{names[0]} is no time") from None
    if stamp.tzinfo is None:
        stamp = stamp.replace(tzinfo=UTC)
    seconds, micros = int(stamp.timestamp()), stamp.microsecond
    return _of_a_record(seconds * 10**9 + micros * 1000, names[0])


def _of_a_record(moment_ns: int, name: str) -> int:
    if not 0 < moment_ns <= INT64_MAX:
        raise RowError(f"{name} is no time between 1970 and 2262")
    return moment_ns


def mapping(row: Row, *names: str) -> dict[str, Any]:
    """Return an object, which CSV spells as JSON; an empty one where there is none.

    Raises:
        RowError: It is no object.
    """
    found = value(row, *names)
    if found is None:
        return {}
    if isinstance(found, str):
        try:
            found = msgspec.json.Decoder(float_hook=Decimal).decode(found)
        except UNREADABLE:
            raise RowError(f"{names[0]} is no JSON object") from None
    if not isinstance(found, Mapping):
        raise RowError(f"{names[0]} is no object")
    return dict(cast(Mapping[str, Any], found))


def listed(row: Row, *names: str) -> list[Any]:
    """Return a list, which CSV spells as JSON or with commas."""
    found = value(row, *names)
    if isinstance(found, str):
        try:
            found = msgspec.json.decode(found)
        except UNREADABLE:
            return [each.strip() for each in found.split(",") if each.strip()]
    return cast(list[Any], found) if isinstance(found, list) else []


def tags_of(names: Mapping[str, Any]) -> dict[str, str | None]:
    """Return tags as attribution."""
    return {
        f"tag.{name.strip().lower()}": str(said)
        for name, said in names.items()
        if name.strip() and said is not None and not isinstance(said, dict | list)
    }


def tags_of_list(names: list[Any]) -> dict[str, str | None]:
    """Return a list of tags as attribution: `team:core` and `team=core` have a value, others are `true`."""
    found: dict[str, str | None] = {}
    for each in names:
        name, _, said = str(each).replace("=", ":", 1).partition(":")
        if name.strip():
            found[f"tag.{name.strip().lower()}"] = said.strip() or "true"
    return found
