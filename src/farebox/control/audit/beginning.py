"""Begin the log of a home that had no chain: what is there already is its first entries."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from farebox.control.audit.audited_tables import AUDITED, Audited
from farebox.control.audit.change_capture import row_change
from farebox.control.audit.entries import BEGUN, RowChange, append

FIRST_CHAINED = "0010"
"""The schema that brought the chain."""

_ROWS_MAX = 500


def begin(connection: Connection, now_ns: int) -> None:
    """Write down every audited row that is there, as it is found: the log vouches for it from now on."""
    found = [
        row_change(each, key, None, values)
        for each in AUDITED.values()
        for key, values in rows(connection, each)
    ]
    for at in range(0, len(found), _ROWS_MAX):
        _append(connection, now_ns, found[at : at + _ROWS_MAX])


def rows(connection: Connection, of: Audited) -> list[tuple[list[Any], dict[str, Any]]]:
    """Return the key and the audited columns of every row of a table."""
    keys, columns = of.key_columns, of.columns
    chosen = select(*[of.table.c[name] for name in (*keys, *columns)])
    ordered = chosen.order_by(*of.table.primary_key.columns)
    return [
        (list(row[: len(keys)]), dict(zip(columns, row[len(keys) :], strict=True)))
        for row in connection.execute(ordered)
    ]


def _append(connection: Connection, now_ns: int, found: list[RowChange]) -> None:
    append(connection, now_ns, "farebox", BEGUN, "audit", {"rows_found": len(found)}, found)
