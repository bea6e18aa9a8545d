"""Sum a batch of calls in memory, then add the sums to the tables in the same transaction.

The tables stay narrow on purpose: one dimension at a time by hour and by day, and three
combinations people ask for. A cube of all dimensions grows as large as the calls themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from farebox.ledger.database import Connection
from farebox.ledger.entries import COLUMN, COLUMNS, Values
from farebox.ledger.filter import DIMENSIONS, OTHER
from farebox.ledger.measures import MEASURES, lanes, unpack

MINUTE_NS = 60_000_000_000
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS

VALUES_PER_DAY_MAX = 10_000
"""What a dimension may have before the rest of its values that day are counted as `(other)`."""

ALL = 0
"""The number of the dimension with one value, all calls."""

NUMBER = {name: number for number, name in enumerate(DIMENSIONS, 1)}
"""The number that stands for a dimension in the tables."""

_PROVIDER_INDEX = DIMENSIONS.index("provider")
_MODEL_INDEX = DIMENSIONS.index("model")
_CUSTOMER_INDEX = DIMENSIONS.index("customer")
_PROJECT_INDEX = DIMENSIONS.index("project")

_SEQ, _OCCURRED, _STATUS = COLUMN["seq"], COLUMN["occurred_at"], COLUMN["status"]
_COST, _CHARGE, _STATE = COLUMN["cost_pico"], COLUMN["charge_pico"], COLUMN["cost_state"]
_TOKENS = slice(COLUMN["input_tokens"], COLUMN["reasoning_output_tokens"] + 1)
_PROVIDER, _MODEL = COLUMN["provider"], COLUMN["model"]
_PROJECT, _CUSTOMER = COLUMN["project"], COLUMN["customer"]

_OPEN = {"key": "key_fingerprint"} | {
    name: name for name in ("app", "user", "customer", "agent", "session", "project")
}
"""Dimensions that can have any number of values, and their columns."""

_OPEN_AT = [COLUMN[column] for column in _OPEN.values()]
_OPEN_DIMENSIONS = [NUMBER[name] for name in _OPEN]

_NAMED = slice(COLUMN["provider"], COLUMN["request_model"] + 1)
_ENDED = slice(COLUMN["status"], COLUMN["cost_state"] + 1)
_SHAPE = (*COLUMNS[_NAMED], *COLUMNS[_ENDED])
_SHAPE_DIMENSIONS = [(NUMBER[name], _SHAPE.index(name)) for name in DIMENSIONS if name not in _OPEN]
"""Dimensions with few values: they are counted together and told apart when they are written."""

_KEYS = {
    "minute_model": ("minute", "provider", "model"),
    "day_project_model": ("day", "project", "provider", "model"),
    "month_customer_model": ("month", "customer", "provider", "model"),
    "day_value": ("dimension", "day", "value"),
    "hour_value": ("dimension", "hour", "value"),
}
"""Every table of sums and its key."""

Sums = dict[Any, int]
_Entry = list[int]
"""Sums, first and last sequence number."""
_Merged = dict[tuple[int, str], _Entry]
"""By dimension and value."""


def upsert_sql(table: str) -> str:
    """Return the statement that adds sums to one row of `table`."""
    keys = _KEYS[table]
    columns = [*keys, *MEASURES]
    adding = [f"{name} = {name} + excluded.{name}" for name in MEASURES]
    if table == "hour_value":
        columns += ["first_seq", "last_seq"]
        adding += ["first_seq = min(first_seq, excluded.first_seq)", "last_seq = excluded.last_seq"]
    marks = ", ".join("?" * len(columns))
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) "  # noqa: S608 - names from constants
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {', '.join(adding)}"
    )


@lru_cache(maxsize=64)
def month_of(day: int) -> int:
    """Return the month a day lies in, as year × 12 + month - 1, UTC."""
    moment = datetime.fromtimestamp(day * 86_400, UTC)
    return moment.year * 12 + moment.month - 1


class AdmittedValues:
    """Which values of each dimension have their own sums on a day."""

    def __init__(self, connection: Connection, limit: int = VALUES_PER_DAY_MAX) -> None:
        self._connection = connection
        self._limit = limit
        self._days: dict[int, list[set[str]]] = {}

    def of(self, day: int) -> list[set[str]]:
        """Return the sets of values, one a dimension, in the order of `DIMENSIONS`."""
        known = self._days.get(day)
        if known is None:
            if len(self._days) >= 3:  # late calls are few; two days are all that is usual
                self._days.pop(next(iter(self._days)))
            known = self._days[day] = self._load(day)
        return known

    def name(self, known: set[str], value: str | int | None) -> str:
        """Return what `value` is counted under, given the values its day has so far."""
        if value in known:
            return value
        text = "" if value is None else str(value)
        if text in known:
            return text
        if len(known) >= self._limit:
            return OTHER
        known.add(text)
        return text

    def forget(self) -> None:
        """Drop everything, after a transaction was rolled back."""
        self._days.clear()

    def _load(self, day: int) -> list[set[str]]:
        statement = "SELECT value FROM day_value WHERE dimension = ? AND day = ? AND value <> ?"
        return [
            {value for (value,) in self._connection.execute(statement, (number, day, OTHER))}
            for number in NUMBER.values()
        ]


class _Hour:
    """One hour's sums by the calls' own values; `(other)` is decided when they are written."""

    __slots__ = ("customer_model", "minute_model", "open", "project_model", "shapes")

    def __init__(self) -> None:
        self.shapes: dict[Values, _Entry] = {}
        self.open: list[tuple[int, dict[str | None, _Entry]]] = [(at, {}) for at in _OPEN_AT]
        self.minute_model: Sums = {}
        self.project_model: Sums = {}
        self.customer_model: Sums = {}


class RollUp:
    """The sums of one batch."""

    def __init__(self, admitted: AdmittedValues) -> None:
        self._admitted = admitted
        self._hours: dict[int, _Hour] = {}
        self._months: Sums = {}
        """Months of other batches, already named as they are counted."""

    def add(self, row: Values) -> None:
        """Add one call."""
        occurred = row[_OCCURRED]
        sums = lanes(row[_STATUS], row[_STATE], row[_COST], row[_CHARGE], row[_TOKENS])
        hour = self._hours.get(occurred // HOUR_NS)
        if hour is None:
            hour = self._hours[occurred // HOUR_NS] = _Hour()
        seq = row[_SEQ]
        # Dimensions with few values share one addition: together they still have few.
        _enter(hour.shapes, row[_NAMED] + row[_ENDED], sums, seq)
        for at, table in hour.open:
            value = row[at]
            entry = table.get(value)
            if entry is None:
                table[value] = [sums, seq, seq]
            else:
                entry[0] += sums
                entry[2] = seq
        provider, model = row[_PROVIDER], row[_MODEL]
        _count(hour.minute_model, (occurred // MINUTE_NS, provider, model), sums)
        _count(hour.project_model, (row[_PROJECT], provider, model), sums)
        _count(hour.customer_model, (row[_CUSTOMER], provider, model), sums)

    def add_months(self, other: RollUp) -> None:
        """Add what another batch has for its months."""
        for key, sums in other.summed()["month_customer_model"].items():
            _count(self._months, key, sums)

    def write(self, connection: Connection) -> None:
        """Add the sums to the tables. The caller holds the transaction."""
        for table, rows in self.tables():
            connection.executemany(upsert_sql(table), rows)

    def tables(self) -> Iterator[tuple[str, Iterable[tuple[Any, ...]]]]:
        """Yield each table's name and its rows: key, sums, and what else it has."""
        merged = {number: self._merged(number, hour) for number, hour in self._hours.items()}
        yield "hour_value", _hour_rows(merged)
        yield "day_value", _rows(_days(merged))
        for table, sums in self.summed().items():
            yield table, _rows(sums)

    def summed(self) -> dict[str, Sums]:
        """Return the sums of each combination's table."""
        minutes: Sums = {}
        projects: Sums = {}
        months = dict(self._months)
        for number, hour in self._hours.items():
            day = number // 24
            month = month_of(day)
            admitted = self._admitted.of(day)
            providers, models = admitted[_PROVIDER_INDEX], admitted[_MODEL_INDEX]
            of_projects, of_customers = admitted[_PROJECT_INDEX], admitted[_CUSTOMER_INDEX]
            name = self._admitted.name
            for (minute, provider, model), sums in hour.minute_model.items():
                _count(minutes, (minute, name(providers, provider), name(models, model)), sums)
            for (project, provider, model), sums in hour.project_model.items():
                key = (day, name(of_projects, project), name(providers, provider), name(models, model))
                _count(projects, key, sums)
            for (customer, provider, model), sums in hour.customer_model.items():
                key = (month, name(of_customers, customer), name(providers, provider), name(models, model))
                _count(months, key, sums)
        return {"minute_model": minutes, "day_project_model": projects, "month_customer_model": months}

    def _merged(self, number: int, hour: _Hour) -> _Merged:
        """Return an hour's sums by the values they are counted under."""
        merged: _Merged = {}
        admitted = self._admitted.of(number // 24)
        name = self._admitted.name
        for shape, entry in hour.shapes.items():
            _merge(merged, (ALL, ""), entry)
            for dimension, at in _SHAPE_DIMENSIONS:
                _merge(merged, (dimension, name(admitted[dimension - 1], shape[at])), entry)
        for dimension, (_, table) in zip(_OPEN_DIMENSIONS, hour.open, strict=True):
            known = admitted[dimension - 1]
            for value, entry in table.items():
                _merge(merged, (dimension, name(known, value)), entry)
        return merged


def _hour_rows(merged: dict[int, _Merged]) -> Iterator[tuple[Any, ...]]:
    for hour, values in merged.items():
        for (dimension, value), (sums, first, last) in values.items():
            yield (dimension, hour, value, *unpack(sums), first, last)


def _days(merged: dict[int, _Merged]) -> Sums:
    days: Sums = {}
    for hour, values in merged.items():
        day = hour // 24
        for (dimension, value), entry in values.items():
            _count(days, (dimension, day, value), entry[0])
    return days


def _merge(into: _Merged, key: tuple[int, str], entry: _Entry) -> None:
    known = into.get(key)
    if known is None:
        into[key] = entry[:]
    else:
        known[0] += entry[0]
        if entry[1] < known[1]:
            known[1] = entry[1]
        if entry[2] > known[2]:
            known[2] = entry[2]


def _enter(table: dict[Values, _Entry], key: Values, sums: int, seq: int) -> None:
    entry = table.get(key)
    if entry is None:
        table[key] = [sums, seq, seq]
    else:
        entry[0] += sums
        entry[2] = seq


def _count(into: Sums, key: Any, sums: int) -> None:
    into[key] = into.get(key, 0) + sums


def _rows(table: Sums) -> Iterator[tuple[Any, ...]]:
    for key, sums in table.items():
        yield (*key, *unpack(sums))
