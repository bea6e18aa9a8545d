"""Filters as SQL: identifiers from constants, every value a bound parameter."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

CALL_VALUE = {
    "provider": "provider",
    "model": "coalesce(model, '')",
    "request_model": "coalesce(request_model, '')",
    "surface": "surface",
    "key": "coalesce(key_fingerprint, '')",
    "app": "coalesce(app, '')",
    "user": "coalesce(user, '')",
    "customer": "coalesce(customer, '')",
    "agent": "coalesce(agent, '')",
    "session": "coalesce(session, '')",
    "project": "coalesce(project, '')",
    "status": "CAST(status AS TEXT)",
    "cost_state": "cost_state",
    "outcome": "outcome",
}
"""Each dimension's value of a call, the empty text for none, as the tables of sums have it."""

_STATUS_CLASS = re.compile(r"[1-5]xx", re.IGNORECASE)


class Conditions:
    """A conjunction being put together with its parameters."""

    def __init__(self) -> None:
        self._terms: list[str] = []
        self.parameters: list[Any] = []

    def add(self, term: str, *parameters: Any) -> None:
        """Require `term`, SQL with one `?` for each parameter."""
        self._terms.append(term)
        self.parameters += parameters

    def add_values(self, columns: Mapping[str, str], wanted: Mapping[str, Sequence[str]]) -> None:
        """Require one of the wanted values of each dimension, found in `columns`."""
        for dimension, values in wanted.items():
            column = columns[dimension]
            exact = [value for value in values if not is_class(dimension, value)]
            terms: list[str] = []
            if exact:
                terms.append(f"{column} IN ({', '.join('?' * len(exact))})")
                self.parameters += exact
            for value in values:
                if is_class(dimension, value):
                    terms.append(f"{column} BETWEEN ? AND ?")
                    self.parameters += (f"{value[0]}00", f"{value[0]}99")
            self._terms.append(f"({' OR '.join(terms)})")

    def __str__(self) -> str:
        return " AND ".join(self._terms) or "1"


def is_one_value(dimension: str, values: Sequence[str]) -> bool:
    """Tell whether only one value of a dimension is wanted."""
    return len(values) == 1 and not is_class(dimension, values[0])


def is_class(dimension: str, value: str) -> bool:
    """Tell whether a value stands for a hundred statuses."""
    return dimension == "status" and _STATUS_CLASS.fullmatch(value) is not None
