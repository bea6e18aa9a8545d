"""Read calls whole: their columns, and what their blocks hold of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from farebox.ledger.blocks import Details
from farebox.ledger.database import Connection
from farebox.ledger.entries import COLUMN, COLUMNS, Values

_DONE, _RATING = COLUMN["done"], COLUMN["rating"]

SELECT = ", ".join((*COLUMNS[:_DONE], "NULL", "rating"))
"""What is read of `call_whole` or `call_now` for a call as `COLUMNS`; `with_details` makes it whole."""

SELECT_NOW = f"{SELECT}, usage"
"""What is read of `call_now` to correct a call."""


def with_details(connection: Connection, rows: Iterable[Values]) -> list[Values]:
    """Return calls that were read as `SELECT` or `SELECT_NOW`, with their records and ratings."""
    details = Details(connection)
    found: list[Values] = []
    for row in rows:
        record, rating = details.of(row[0])
        corrected: Any = row[_RATING]
        found.append((*row[:_DONE], record, rating if corrected is None else corrected, *row[_RATING + 1 :]))
    return found
