"""Read how a list of calls is sorted, and from where on it goes on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from farebox.analytics.dimensions import CALL_ORDERS
from farebox.analytics.query import Place
from farebox.server.api.errors import invalid_parameter
from farebox.server.api.filters import read_choice

DIRECTIONS = ("desc", "asc")
_CURSOR = re.compile(r"(-?[0-9]{1,19}):([0-9]{1,18})")


class CallOrder(NamedTuple):
    """What calls are sorted by; `after` is the place of the last one of the page before."""

    name: str
    ascending: bool
    after: Place | None


def read_order(query: Mapping[str, str]) -> CallOrder | None:
    """Return the order that parameters ask for, None for the order of the record."""
    if "order" not in query:
        for name in ("direction", "cursor"):
            if name in query:
                raise invalid_parameter(name, query[name], [f"only with order={'|'.join(CALL_ORDERS)}"])
        return None
    order = read_choice(query, "order", tuple(CALL_ORDERS), "time")
    direction = read_choice(query, "direction", DIRECTIONS, "desc")
    for name in ("before", "after"):
        if name in query:
            raise invalid_parameter(name, query[name], ["not with order; the page after has a cursor"])
    return CallOrder(order, direction == "asc", _read_cursor(query.get("cursor")))


def cursor_of(place: Place) -> str:
    """Return what continues after a call's place."""
    return f"{place.value}:{place.seq}"


def _read_cursor(text: str | None) -> Place | None:
    if text is None:
        return None
    found = _CURSOR.fullmatch(text)
    if found is None or not -(2**63) <= int(found[1]) < 2**63:
        raise invalid_parameter("cursor", text, ["next_cursor of the page before"])
    return Place(int(found[1]), int(found[2]))
