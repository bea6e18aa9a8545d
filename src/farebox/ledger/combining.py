"""Make a day's sums of customers, users, agents and projects by shape and by key, out of the calls.

Beside a value that can be any of thousands there are about as many combinations in an hour as
calls, so only days are kept, and each call is read once for all of them. A dimension with one value all
day, often none at all, has the day's sums by shape and by key.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from farebox.ledger.conditions import CALL_VALUE, Conditions
from farebox.ledger.corrections import any_there
from farebox.ledger.database import Connection
from farebox.ledger.inserting import Insert
from farebox.ledger.measures import MEASURES, bytes_of, lanes, rows_in, traits
from farebox.ledger.names import AdmittedValues, Names
from farebox.ledger.shapes import Shapes, without_models
from farebox.ledger.spans import add_span
from farebox.ledger.tables import COMBINED, DAY_NS, NUMBER, SHAPE, columns_of, upsert_clause

_ROWS_AT_A_TIME = 2_000
_SUMS_MAX = 5_000
"""How many sums of a dimension are held in memory before they are added to the tables."""

_CLOSED = (*SHAPE, "key")
_CLOSED_OF_CALL = ", ".join(CALL_VALUE[name] for name in _CLOSED)
_STATUS_AT, _STATE_AT = _CLOSED.index("status"), _CLOSED.index("cost_state")
_REST = (
    "coalesce(cost_pico, 0)",
    "coalesce(charge_pico, 0)",
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    *COMBINED,
)
_TOKENS_AT, _VALUES_AT = 2, len(_REST) - len(COMBINED)
_COLUMN = {name: at for at, name in enumerate(_REST) if at >= _VALUES_AT}
_IN_ORDER = ", ".join(_REST)

SELECTED = f"{_CLOSED_OF_CALL}, {_IN_ORDER}"
"""What is read of a call: its shape and key, what is added up, and its open dimensions."""

_KINDS = f"SELECT id, {_CLOSED_OF_CALL} FROM kind WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608

_ADDING = {
    table: Insert(table, len(columns_of(table)), upsert_clause(table))
    for table in ("day_value_shape", "day_value_key")
}

_VALUES = "SELECT DISTINCT value FROM hour_value WHERE dimension = ? AND hour BETWEEN ? AND ? LIMIT 2"
_COPYING = [
    f"INSERT INTO {table} SELECT ?, day, ?, {key}, {', '.join(MEASURES)} FROM {source} WHERE day = ?"  # noqa: S608
    for table, key, source in (
        ("day_value_shape", "shape", "day_shape"),
        ("day_value_key", "key, shape", "day_key_shape"),
    )
]

Numbered = Callable[[tuple[str, ...]], int]
Rows = Iterable[tuple[Any, ...]]
Sums = defaultdict[Any, defaultdict[int, int]]
"""By value, then by the number of a shape or of a key's place."""


class _Place(NamedTuple):
    """Where calls of one cell are counted."""

    shape: int
    key: int
    """The number of a key and the shape beside it, among those of this day."""
    traits: tuple[int, int, int]


def combine_day(connection: Connection, day: int) -> None:
    """Make the combinations of one day anew. The caller holds the transaction."""
    for number in (NUMBER[name] for name in COMBINED):
        for table in _ADDING:
            connection.execute(f"DELETE FROM {table} WHERE dimension = ? AND day = ?", (number, day))  # noqa: S608
    # The values that have sums of their own are those the hours name; everything else is `(other)`.
    names = AdmittedValues(connection, 0).of(day)
    single = _copy_single(connection, day)
    combined = Combined(
        day, names, Shapes(connection).number, [name for name in COMBINED if name not in single]
    )
    if not combined.dimensions:
        return
    where = Conditions()
    add_span(connection, where, "occurred_at", day * DAY_NS, (day + 1) * DAY_NS)
    corrected = any_there(connection)
    left_out = " AND NOT EXISTS (SELECT 1 FROM correction WHERE call_seq = seq)" if corrected else ""
    # In the order of what has the most values, so that these are complete one after the other.
    kinds: dict[int, tuple[Any, ...]] = {}
    statement = f"SELECT kind, {_IN_ORDER} FROM call WHERE {where}{left_out} ORDER BY customer"  # noqa: S608
    for batch in _batches(connection, statement, where.parameters):
        numbers, *columns = zip(*batch, strict=True)
        unknown = json.dumps([*set(numbers).difference(kinds)])
        kinds.update((kind[0], kind[1:]) for kind in connection.execute(_KINDS, (unknown,)))
        combined.add([kinds[number] for number in numbers], columns)
        _write(connection, combined.full_tables())
    if corrected:
        statement = f"SELECT {SELECTED} FROM call_now WHERE {where} AND correction IS NOT NULL"  # noqa: S608
        for batch in _batches(connection, statement, where.parameters):
            combined.add_whole(batch)
            _write(connection, combined.full_tables())
    _write(connection, combined.tables())


def _copy_single(connection: Connection, day: int) -> list[str]:
    """Copy a day's sums by shape and by key to dimensions with one value; return which these are."""
    found: list[str] = []
    for name in COMBINED:
        values = connection.execute(_VALUES, (NUMBER[name], day * 24, day * 24 + 23)).fetchall()
        if len(values) == 1:
            for statement in _COPYING:
                connection.execute(statement, (NUMBER[name], values[0][0], day))
            found.append(name)
    return found


def _batches(connection: Connection, statement: str, parameters: Sequence[Any]) -> Iterator[list[Any]]:
    calls = iter(connection.execute(statement, parameters))
    while batch := list(itertools.islice(calls, _ROWS_AT_A_TIME)):
        yield batch


def _write(connection: Connection, tables: Iterable[tuple[str, Rows]]) -> None:
    for table, rows in tables:
        _ADDING[table].run(connection, rows)


class Combined:
    """The combinations of a day's calls, as far as they are not written."""

    def __init__(
        self, day: int, names: Mapping[str, Names], number_of: Numbered, dimensions: Sequence[str] = COMBINED
    ) -> None:
        self.dimensions = dimensions
        self._day = day
        self._names = names
        self._number_of = number_of
        self._places: dict[tuple[Any, ...], _Place] = {}
        self._keys: dict[tuple[str, int], int] = {}
        self._by_shape: dict[str, Sums] = {name: _sums() for name in dimensions}
        self._by_key: dict[str, Sums] = {name: _sums() for name in dimensions}

    def add_whole(self, calls: Sequence[Sequence[Any]]) -> None:
        """Add calls, given as `SELECTED`."""
        width = len(_CLOSED)
        columns = list(zip(*calls, strict=True))
        self.add([*zip(*columns[:width], strict=True)], columns[width:])

    def add(self, closed: Sequence[tuple[Any, ...]], columns: Sequence[Sequence[Any]]) -> None:
        """Add calls, given as the dimensions of a cell, and as columns of what else is read of them."""
        places = [self._places.get(cell) or self._place(cell) for cell in closed]
        tokens = zip(*columns[_TOKENS_AT:_VALUES_AT], strict=True)
        of_traits = [place.traits for place in places]
        amounts = list(map(lanes, of_traits, *columns[:_TOKENS_AT], tokens))
        shapes = [place.shape for place in places]
        keys = [place.key for place in places]
        for name in self.dimensions:
            by_shape, by_key, values = self._by_shape[name], self._by_key[name], columns[_COLUMN[name]]
            for value, shape, key, amount in zip(values, shapes, keys, amounts, strict=True):
                by_shape[value][shape] += amount
                by_key[value][key] += amount

    def _place(self, closed: tuple[Any, ...]) -> _Place:
        *shape, key = (self._names[name][value] for name, value in zip(_CLOSED, closed, strict=True))
        beside = (key, self._number_of(without_models(shape)))
        place = self._places[closed] = _Place(
            self._number_of((*shape,)),
            self._keys.setdefault(beside, len(self._keys)),
            traits(int(closed[_STATUS_AT]), closed[_STATE_AT]),
        )
        return place

    def full_tables(self) -> Iterator[tuple[str, Rows]]:
        """Yield the tables of dimensions with many sums, and hold these no more."""
        for name in self.dimensions:
            if sum(map(len, self._by_key[name].values())) >= _SUMS_MAX:
                yield from self._tables_of(name)

    def tables(self) -> Iterator[tuple[str, Rows]]:
        """Yield each table and its rows, and hold nothing any more. Rows can have the same key."""
        for name in self.dimensions:
            yield from self._tables_of(name)

    def _tables_of(self, name: str) -> Iterator[tuple[str, Rows]]:
        number, day, known = NUMBER[name], self._day, self._names[name]
        beside = list(self._keys)
        by_shape, by_key = self._by_shape[name], self._by_key[name]
        shapes = [((number, day, known[value], shape), sums) for value, shape, sums in _each(by_shape)]
        keys = [((number, day, known[value], *beside[key]), sums) for value, key, sums in _each(by_key)]
        yield "day_value_shape", _rows(shapes)
        yield "day_value_key", _rows(keys)
        by_shape.clear()
        by_key.clear()


def _sums() -> Sums:
    return defaultdict(lambda: defaultdict(int))


def _each(sums: Sums) -> Iterator[tuple[Any, int, int]]:
    for value, places in sums.items():
        for place, total in places.items():
            yield value, place, total


def _rows(sums: list[tuple[tuple[Any, ...], int]]) -> Rows:
    sums.sort()
    values = rows_in(bytes_of([total for _, total in sums]))
    return [key + row for (key, _), row in zip(sums, values, strict=True)]
