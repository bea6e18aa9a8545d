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
from farebox.ledger.entries import COLUMN, Values
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

_SOURCE = {"key": "key_fingerprint"}
_AT = [COLUMN[_SOURCE.get(name, name)] for name in DIMENSIONS]
_STATUS_INDEX = DIMENSIONS.index("status")
_PROVIDER_INDEX = DIMENSIONS.index("provider")
_MODEL_INDEX = DIMENSIONS.index("model")
_CUSTOMER_INDEX = DIMENSIONS.index("customer")
_PROJECT_INDEX = DIMENSIONS.index("project")
_OCCURRED, _STATUS = COLUMN["occurred_at"], COLUMN["status"]
_COST, _CHARGE, _STATE = COLUMN["cost_pico"], COLUMN["charge_pico"], COLUMN["cost_state"]
_TOKENS = slice(COLUMN["input_tokens"], COLUMN["reasoning_output_tokens"] + 1)
_SEQ = COLUMN["seq"]

_KEYS = {
    "minute_model": ("minute", "provider", "model"),
    "day_project_model": ("day", "project", "provider", "model"),
    "month_customer_model": ("month", "customer", "provider", "model"),
    "day_value": ("dimension", "day", "value"),
    "hour_value": ("dimension", "hour", "value"),
}
"""Every table of sums and its key."""

Sums = dict[Any, int]


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

    def admit(self, known: set[str], value: str) -> str:
        """Return the value to count a new `value` under."""
        if len(known) >= self._limit:
            return OTHER
        known.add(value)
        return value

    def forget(self) -> None:
        """Drop everything, after a transaction was rolled back."""
        self._days.clear()

    def _load(self, day: int) -> list[set[str]]:
        statement = "SELECT value FROM day_value WHERE dimension = ? AND day = ? AND value <> ?"
        return [
            {value for (value,) in self._connection.execute(statement, (number, day, OTHER))}
            for number in NUMBER.values()
        ]


class RollUp:
    """The sums of one batch."""

    def __init__(self, admitted: AdmittedValues) -> None:
        self._admitted = admitted
        self._hours: dict[int, list[Sums]] = {}
        self._hour_seqs: dict[int, list[dict[str, list[int]]]] = {}
        self._minute_model: Sums = {}
        self._day_project_model: Sums = {}
        self._month_customer_model: Sums = {}

    def add(self, row: Values) -> None:
        """Add one call."""
        occurred = row[_OCCURRED]
        hour = occurred // HOUR_NS
        day = hour // 24
        seq = row[_SEQ]
        sums = lanes(row[_STATUS], row[_STATE], row[_COST], row[_CHARGE], row[_TOKENS])
        admitted = self._admitted.of(day)
        tables = self._hours.get(hour)
        if tables is None:
            tables = self._hours[hour] = [{} for _ in DIMENSIONS]
            self._hour_seqs[hour] = [{} for _ in DIMENSIONS]
        names: list[str] = []
        for at, known, table, seqs in zip(_AT, admitted, tables, self._hour_seqs[hour], strict=True):
            value = row[at]
            if value is None:
                value = ""
            elif at == _STATUS:
                value = str(value)
            if value not in known:
                value = self._admitted.admit(known, value)
            if value in table:
                table[value] += sums
                seqs[value][1] = seq
            else:
                table[value] = sums
                seqs[value] = [seq, seq]
            names.append(value)
        provider, model = names[_PROVIDER_INDEX], names[_MODEL_INDEX]
        _count(self._minute_model, (occurred // MINUTE_NS, provider, model), sums)
        _count(self._day_project_model, (day, names[_PROJECT_INDEX], provider, model), sums)
        _count(self._month_customer_model, (month_of(day), names[_CUSTOMER_INDEX], provider, model), sums)

    def add_months(self, other: RollUp) -> None:
        """Add what another batch has for its months."""
        for key, sums in other._month_customer_model.items():
            _count(self._month_customer_model, key, sums)

    def write(self, connection: Connection) -> None:
        """Add the sums to the tables. The caller holds the transaction."""
        for table, rows in self.tables():
            connection.executemany(upsert_sql(table), rows)

    def tables(self) -> Iterator[tuple[str, Iterable[tuple[Any, ...]]]]:
        """Yield each table's name and its rows: key, sums, and what else it has."""
        yield "hour_value", self._hour_rows()
        yield "day_value", self._day_rows()
        yield "minute_model", _rows(self._minute_model)
        yield "day_project_model", _rows(self._day_project_model)
        yield "month_customer_model", _rows(self._month_customer_model)

    def _hour_rows(self) -> Iterator[tuple[Any, ...]]:
        for hour, tables in self._hours.items():
            all_seqs = self._hour_seqs[hour]
            providers = all_seqs[_PROVIDER_INDEX].values()
            total = sum(tables[_PROVIDER_INDEX].values())
            first, last = min(low for low, _ in providers), max(high for _, high in providers)
            yield (ALL, hour, "", *unpack(total), first, last)
            for number, (table, seqs) in enumerate(zip(tables, all_seqs, strict=True), 1):
                for value, sums in table.items():
                    low, high = seqs[value]
                    yield (number, hour, value, *unpack(sums), low, high)

    def _day_rows(self) -> Iterator[tuple[Any, ...]]:
        days: dict[int, list[Sums]] = {}
        for hour, tables in self._hours.items():
            merged = days.setdefault(hour // 24, [{} for _ in DIMENSIONS])
            for into, table in zip(merged, tables, strict=True):
                for value, sums in table.items():
                    _count(into, value, sums)
        for day, tables in days.items():
            yield (ALL, day, "", *unpack(sum(tables[_PROVIDER_INDEX].values())))
            for number, table in enumerate(tables, 1):
                for value, sums in table.items():
                    yield (number, day, value, *unpack(sums))


def _count(into: Sums, key: Any, sums: int) -> None:
    into[key] = into.get(key, 0) + sums


def _rows(table: Sums) -> Iterator[tuple[Any, ...]]:
    for key, sums in table.items():
        yield (*key, *unpack(sums))
