"""Take the rows of `control.db` out and put them into a new one, at the schema they were taken from."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, MetaData, select

from farebox.control.database import ControlDatabase, open_control
from farebox.control.schema import metadata
from farebox.control.schema import seal as seal_table
from farebox.control.upgrade import MIGRATIONS
from farebox.errors import BackupError
from farebox.home import Home

Row = tuple[str, dict[str, Any]]
Chunk = tuple[str, list[dict[str, Any]]]
"""A table and some of its rows."""

_OWN = ("alembic_version", seal_table.name)
"""Tables that say something of the others, and are made with them."""


class Dump(NamedTuple):
    """One consistent state."""

    revision: str
    """The schema's number."""
    rows: Iterator[Row]
    """Table and columns, each row after those it refers to."""


@contextlib.contextmanager
def dumped(home: Home) -> Generator[Dump | None]:
    """Read the control database in one transaction; None where there is none.

    Raises:
        ControlError: It cannot be read.
    """
    if not home.control.exists():
        yield None
        return
    database = open_control(home)
    with database.reading() as connection:
        yield Dump(database.newest, _rows(connection))


def load(home: Home, revision: str, chunks: Iterable[Chunk]) -> None:
    """Fill a new control database at `revision` and bring it up to date, in one transaction.

    Raises:
        BackupError: A row does not fit.
    """
    database = ControlDatabase(home)
    if revision > database.newest:
        raise BackupError(
            f"control_schema: found {revision}, this Farebox knows {database.newest}; use the Farebox "
            "that wrote it, or a newer one"
        )
    if not any(file.name[:4] == revision for file in MIGRATIONS.glob("[0-9]*.py")):
        raise BackupError(f"control_schema: found {revision!r}, which there has never been")
    with database.filling(revision) as connection:
        _insert(connection, chunks)
    open_control(home)


def _rows(connection: Connection) -> Iterator[Row]:
    for table in metadata.sorted_tables:
        if table is seal_table:
            continue  # made anew
        for row in connection.execute(select(table)).mappings():
            yield table.name, dict(row)


def _insert(connection: Connection, chunks: Iterable[Chunk]) -> None:
    from sqlalchemy.exc import SQLAlchemyError

    tables = MetaData()
    tables.reflect(connection)
    for name, rows in chunks:
        table = tables.tables.get(name)
        if table is None or name in _OWN:
            raise BackupError(f"table: found control.{name}, which schema has not")
        if unknown := {column for row in rows for column in row} - set(table.columns.keys()):
            raise BackupError(f"control.{name}.{min(unknown)}: a column that its schema does not have")
        try:
            connection.execute(table.insert(), rows)
        except (SQLAlchemyError, OverflowError) as error:  # the second: more than 64 bits
            raise BackupError(
                f"control.{name}: a row cannot be taken: {str(error).splitlines()[0]}"
            ) from None
