"""Sums of alerts, kept on disk: made of the record, so that a restart need not read it all again.

A database of its own, written in one transaction from time to time: what it holds is all of one row's
number. Where it is damaged, missing, or of another record, it is made anew. Values that were erased must not
stay in it, so it is made anew after an erasure, too.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw

FILE = "alerts.sums"
_VERSION = 1
_SCHEMA = """
CREATE TABLE meta (seq INTEGER NOT NULL, event_id BLOB, erasure INTEGER NOT NULL) STRICT;
CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  made_at INTEGER NOT NULL,
  is_open INTEGER NOT NULL,
  is_seen INTEGER NOT NULL,
  seq INTEGER NOT NULL
) STRICT;
CREATE TABLE cell (
  series INTEGER NOT NULL,
  value TEXT NOT NULL,
  start INTEGER NOT NULL,
  sums TEXT NOT NULL,
  PRIMARY KEY (series, value, start)
) STRICT, WITHOUT ROWID;
"""
_CACHE_KIB = 512
_FRESH = (
    "SELECT value, start FROM cell WHERE series = ? AND start >= ? AND (value, start) > (?, ?) "
    "ORDER BY value, start LIMIT ?"
)


class StoredSeries(NamedTuple):
    """A series as the file knows it."""

    number: int
    key: str
    made_ns: int
    is_open: bool
    """Whether its sums are whole, up to the file's row; else they are being made, up to `seq`."""
    is_seen: bool
    """Whether everything that was whole when it was opened has been judged."""
    seq: int


class StoredCell(NamedTuple):
    """The sums of one series, one value and one part of time."""

    series: int
    value: str
    start_ns: int
    sums: Sequence[int]


class SumsFile:
    """The one file of a home, or with no path one in memory. For one thread.

    Every method may raise `apsw.Error`; then the file is to be removed and made anew.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        try:
            self._connection = self._open()
        except apsw.Error:
            self.remove()
            self._connection = self._open()

    def _open(self) -> Any:
        if self._path is not None:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        connection: Any = apsw.Connection(str(self._path) if self._path is not None else ":memory:")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB:d}")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise apsw.SQLError("the file is of another version")
            if version == 0:
                with connection:
                    connection.execute(_SCHEMA)
                    connection.execute("INSERT INTO meta VALUES (0, NULL, 0)")
                    connection.execute(f"PRAGMA user_version = {_VERSION:d}")
        except BaseException:
            connection.close(True)
            raise
        return connection

    def position(self) -> tuple[int, bytes | None, int]:
        """Return the row it is of, that row's event, and the last erasure it knows."""
        return self._connection.execute("SELECT seq, event_id, erasure FROM meta").fetchone()

    def series(self) -> list[StoredSeries]:
        rows = self._connection.execute(
            "SELECT id, key, made_at, is_open, is_seen, seq FROM series ORDER BY id"
        )
        return [
            StoredSeries(number, key, made, bool(is_open), bool(is_seen), seq)
            for number, key, made, is_open, is_seen, seq in rows
        ]

    def cells(self, series: int, value: str, from_ns: int) -> list[tuple[int, tuple[int, ...]]]:
        """Return the sums of a value from a part of time on."""
        rows = self._connection.execute(
            "SELECT start, sums FROM cell WHERE series = ? AND value = ? AND start >= ?",
            (series, value, from_ns),
        )
        return [(start, tuple(map(int, sums.split()))) for start, sums in rows]

    def cell(self, series: int, value: str, start_ns: int) -> tuple[int, ...] | None:
        """Return the sums of a value in one part of time."""
        found = self._connection.execute(
            "SELECT sums FROM cell WHERE series = ? AND value = ? AND start = ?", (series, value, start_ns)
        ).fetchone()
        return None if found is None else tuple(map(int, found[0].split()))

    def values(self, series: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield every value of a series that has one part of time."""
        rows = self._connection.execute("SELECT value, sums FROM cell WHERE series = ?", (series,)).fetchall()
        for value, sums in rows:
            yield value, tuple(map(int, sums.split()))

    def fresh(self, series: int, from_ns: int, after: tuple[str, int], limit: int) -> list[tuple[str, int]]:
        """Return values and parts of time from a moment on, in order, after one of them."""
        return self._connection.execute(_FRESH, (series, from_ns, *after, limit)).fetchall()

    def write(
        self,
        position: tuple[int, bytes | None, int],
        series: Iterable[StoredSeries],
        cells: Iterable[StoredCell],
        outdated: Iterable[tuple[int, int]],
    ) -> None:
        """Write all of it in one step. `outdated`: of each series, before when its parts are not needed."""
        with self._connection as connection:
            connection.execute("UPDATE meta SET seq = ?, event_id = ?, erasure = ?", position)
            kept = list(series)
            known = {number for (number,) in connection.execute("SELECT id FROM series").fetchall()}
            for number in known - {each.number for each in kept}:
                connection.execute("DELETE FROM cell WHERE series = ?", (number,))
                connection.execute("DELETE FROM series WHERE id = ?", (number,))
            connection.executemany("INSERT OR REPLACE INTO series VALUES (?, ?, ?, ?, ?, ?)", kept)
            for number, before_ns in outdated:
                connection.execute("DELETE FROM cell WHERE series = ? AND start < ?", (number, before_ns))
            connection.executemany(
                "INSERT OR REPLACE INTO cell VALUES (?, ?, ?, ?)",
                ((each.series, each.value, each.start_ns, " ".join(map(str, each.sums))) for each in cells),
            )

    def drop(self, series: int) -> None:
        """Forget the sums of a series that has to be read from the beginning."""
        self._connection.execute("DELETE FROM cell WHERE series = ?", (series,))

    def close(self) -> None:
        self._connection.close(True)

    def remove(self) -> None:
        """Remove it: it is made of the record."""
        if self._path is not None:
            remove_sums(self._path)


def remove_sums(path: Path) -> None:
    """Remove a file of sums, with what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).unlink()
