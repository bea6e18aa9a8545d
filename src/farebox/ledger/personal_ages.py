"""How long ago the newest call was that has a personal value."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from farebox.home import Home
from farebox.ledger.database import open_reader

_LAST = (
    "SELECT attribution, max(moment) FROM ("
    "SELECT attribution, max(occurred_at) moment FROM call GROUP BY attribution UNION ALL "
    "SELECT attribution, max(occurred_at) FROM outcome GROUP BY attribution UNION ALL "
    "SELECT attribution, max(occurred_at) FROM score GROUP BY attribution UNION ALL "
    "SELECT attribution, max(recorded_at) FROM witness GROUP BY attribution) GROUP BY attribution"
)


class PersonalAge(NamedTuple):
    """One value, and when something had it last."""

    number: int
    field: str
    value: str
    last_ns: int


def personal_ages(home: Home) -> list[PersonalAge]:
    """Return every value that is not erased and that something has, the oldest first.

    Raises:
        LedgerError: The record cannot be read.
    """
    connection = open_reader(home)
    if connection is None:
        return []
    try:
        with connection:
            fields = dict(connection.execute("SELECT id, fields FROM attribution").fetchall())
            last: dict[int, int] = {}
            for attribution, moment in connection.execute(_LAST):
                said = msgspec.json.decode(fields[attribution], type=dict[str, list[str | int | None]])
                for value, *_ in said.values():
                    if isinstance(value, int):
                        last[value] = max(moment, last.get(value, moment))
            found = connection.execute("SELECT id, field, value FROM personal WHERE value IS NOT NULL")
            ages = [
                PersonalAge(number, field, value, last[number])
                for number, field, value in found
                if number in last
            ]
    finally:
        connection.close()
    return sorted(ages, key=lambda each: (each.last_ns, each.number))
