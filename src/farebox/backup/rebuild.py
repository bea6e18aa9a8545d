"""Build a state directory from a portable stream: `farebox restore --export FILE`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from farebox.backup.creation import Told, check_record
from farebox.backup.figures import Figures
from farebox.backup.portable_stream import CONTROL, Head, Sized, chunked, columns_of, opened, record_tables
from farebox.backup.restoration import Restored, build_home
from farebox.errors import BackupError
from farebox.home import Home
from farebox.ledger.database import Connection, open_writer

if TYPE_CHECKING:
    from farebox.control import transfer

_AT_A_TIME = 2_000


def restore_export(file: Path, home: Home, *, replace: bool, told: Told) -> Restored:
    """Make `home` what a portable stream says.

    Raises:
        UsageError: There is something in `home` and `replace` was not given, or it is in use.
        BackupError: The stream is damaged or not whole. `home` is as it was.
    """

    def build(copy: Home) -> Figures:
        with opened(file) as (head, lines):
            copy.prepare()
            rest = _load_record(file, copy, head, lines, told)
            if head.control_schema is None:
                for table, _, _ in rest:
                    raise BackupError(f"{file}: table: found {table} in a stream without a control database")
            else:
                from farebox.control import transfer

                transfer.load(copy, head.control_schema, _control_chunks(file, rest))
        figures = check_record(copy, told) if copy.ledger.exists() else Figures()
        if figures != head.figures:
            raise BackupError(f"{file}: the record has other totals than its first line says")
        return figures

    figures, moved_to = build_home(home, build, replace=replace)
    return Restored(figures=figures, moved_to=moved_to)


def _control_chunks(file: Path, rows: Iterator[Sized]) -> Iterator[transfer.Chunk]:
    for table, some in groupby(rows, key=lambda line: line[0]):
        if not table.startswith(CONTROL):
            raise BackupError(f"{file}: table: found {table} behind those of the control database")
        for chunk in chunked(some, _AT_A_TIME):
            yield table.removeprefix(CONTROL), chunk


def _load_record(file: Path, copy: Home, head: Head, lines: Iterator[Sized], told: Told) -> Iterator[Sized]:
    """Insert the record's rows; return the lines behind them."""
    first = next(lines, None)
    if first is None or first[0].startswith(CONTROL):
        return chain([first] if first is not None else [], lines)
    rest: list[Sized] = []

    def of_the_record() -> Iterator[Sized]:
        for line in chain([first], lines):
            if line[0].startswith(CONTROL):
                rest.append(line)
                return
            yield line

    connection = open_writer(copy)
    try:
        known = set(record_tables(connection))
        done = 0
        for table, rows in groupby(of_the_record(), key=lambda line: line[0]):
            if table not in known:
                raise BackupError(f"{file}: table: found {table}, which this Farebox does not know")
            loader = _Loader(file, connection, table)
            for some in chunked(rows, _AT_A_TIME):
                loader.insert(some)
                if table == "call":
                    done += len(some)
                    told("reading", done, max(head.figures.seq, done))
    except (apsw.Error, OverflowError, TypeError) as error:  # the last two: no value that SQLite has
        raise BackupError(f"{file}: a row cannot be taken: {error}") from error
    finally:
        connection.close()
    return chain(rest, lines)


class _Loader:
    """Inserts rows of one table as the stream has them."""

    def __init__(self, file: Path, connection: Connection, table: str) -> None:
        self._file = file
        self._connection = connection
        self._table = table
        types = columns_of(connection, table)
        self._columns = list(types)
        self._binary = {name for name, kind in types.items() if kind == "BLOB"}
        names = ", ".join(f'"{name}"' for name in self._columns)
        # Names of our own schema; the stream's were compared with them.
        self._sql = f'INSERT INTO "{table}" ({names}) VALUES ({", ".join("?" * len(types))})'  # noqa: S608

    def insert(self, rows: list[dict[str, Any]]) -> None:
        with self._connection:
            self._connection.executemany(self._sql, map(self._values, rows))

    def _values(self, row: dict[str, Any]) -> list[Any]:
        if unknown := sorted(row.keys() - self._columns):
            raise BackupError(
                f"{self._file}: {self._table}.{unknown[0]}: a column that this Farebox does not know"
            )
        return [self._value(name, row.get(name)) for name in self._columns]

    def _value(self, name: str, value: Any) -> Any:
        if name not in self._binary or value is None:
            return value
        try:
            return base64.b64decode(value, validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise BackupError(
                f"{self._file}: {self._table}.{name}: found {str(value)[:40]!r}, expected base64"
            ) from None
