"""The tables of sums: their keys, their dimensions, and the statements that fill them.

Written with the calls are the hour's sums by cell (all dimensions that have few values, together)
and by each dimension that can have any number, and the minutes of models. The rest is made of these,
or of a day's calls, once an hour or a day is quiet: see settling.py and combining.py.
"""

from __future__ import annotations

from farebox.ledger.filter import DIMENSIONS
from farebox.ledger.measures import MEASURES

MINUTE_NS = 60_000_000_000
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS

ALL = 0
"""The number of the dimension with one value, all calls."""

NUMBER = {name: number for number, name in enumerate(DIMENSIONS, 1)}
"""The number that stands for a dimension in the tables."""

CELL = ("surface", "provider", "status", "cost_state", "app", "model", "key", "request_model", "outcome")
"""Dimensions that are counted together: together they still have few values."""

OPEN = tuple(name for name in DIMENSIONS if name not in CELL)
"""Dimensions that can have any number of values."""

SHAPE = tuple(name for name in CELL if name != "key")
"""A cell without its key: some hundreds of combinations where there are thousands of cells."""

COMBINED = tuple(name for name in OPEN if name != "session")
"""Open dimensions that are counted together with those of a cell. Most sessions are a few calls in one
hour: their combinations would be as many as the calls."""

LEFT_OPEN = frozenset({"model", "request_model"})
"""What a shape beside a key does not tell apart: there would be as many combinations as cells."""

_KEYS = {
    "minute_model": ("minute", "provider", "model"),
    "hour_cell": ("hour", "cell"),
    "day_cell": ("day", "cell"),
    "hour_shape": ("hour", "shape"),
    "day_shape": ("day", "shape"),
    "hour_key_shape": ("hour", "key", "shape"),
    "day_key_shape": ("day", "key", "shape"),
    "day_model_key": ("day", "model", "key"),
    "day_value_shape": ("dimension", "day", "value", "shape"),
    "day_value_key": ("dimension", "day", "value", "key", "shape"),
    "day_value": ("dimension", "day", "value"),
    "hour_value": ("dimension", "hour", "value"),
}
"""Every table of sums and its key."""

SPANNED = frozenset({"hour_value", "hour_cell"})
"""Tables that also know the first and the last call of a sum."""

KEY_WIDTH = {table: len(key) for table, key in _KEYS.items()}
"""How many columns the key of every table of sums has; the sums follow."""

_PER_DAY = {"minute": 1440, "hour": 24, "day": 1}
BUCKETS = {
    table: next((name, _PER_DAY[name]) for name in key if name in _PER_DAY) for table, key in _KEYS.items()
}
"""Every table of sums, the column with its bucket, and how many of these a day has."""


def columns_of(table: str) -> tuple[str, ...]:
    """Return the columns of a table of sums, in order."""
    return (*_KEYS[table], *MEASURES, *(("first_seq", "last_seq") if table in SPANNED else ()))


def upsert_clause(table: str) -> str:
    """Return what makes of an INSERT into `table` the addition to a row that is there."""
    adding = [f"{name} = {name} + excluded.{name}" for name in MEASURES]
    if table in SPANNED:
        adding += [
            "first_seq = min(first_seq, excluded.first_seq)",
            "last_seq = max(last_seq, excluded.last_seq)",
        ]
    return f"ON CONFLICT ({', '.join(_KEYS[table])}) DO UPDATE SET {', '.join(adding)}"
