"""Open `ledger.db`: its one writer, its many readers, its schema."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import quote

import apsw

from farebox.errors import (
    LedgerDamagedError,
    LedgerError,
    LedgerSchemaError,
    LedgerTooOldError,
    LedgerUnwritableError,
)
from farebox.home import Home, check_private
from farebox.journal.filesystem import is_network

_SQLITE_OLDEST = (3, 51, 3)
"""Before it, a WAL could be corrupted by a race: https://sqlite.org/wal.html#walresetbug"""

SCHEMA_VERSION = 4
APPLICATION_ID = 0x46415245  # FARE

_BUSY_MS = 5_000
_WRITER_CACHE_KIB = 2_048
_READER_CACHE_KIB = 8_192
_PAGE_BYTES = 8_192
_CHECKPOINT_PAGES = 2_000


class Cursor(Protocol):
    """The part of an apsw cursor that is used here. apsw's own types are not complete enough to check
    against."""

    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """The part of an apsw connection that is used here. As a context manager it is a transaction."""

    def execute(self, statements: str, bindings: Sequence[Any] = ..., /) -> Cursor: ...
    def executemany(self, statements: str, bindings: Iterable[Sequence[Any]], /) -> Cursor: ...
    def close(self) -> None: ...
    def __enter__(self) -> object: ...
    def __exit__(self, *failure: Any) -> bool | None: ...


def open_writer(home: Home) -> Connection:
    """Open the ledger for its one writer, created where there is none.

    Raises:
        LedgerSchemaError: It was written by a newer Farebox.
        LedgerTooOldError: It was written by a Farebox before the first release.
        LedgerDamagedError: It is no ledger, or incomplete.
        LedgerUnwritableError: The disk is full or read-only.
        LedgerError: SQLite is too old, or the home lies on a network file system.
    """
    try:
        return _open_writer(home)
    except (apsw.Error, OSError) as error:
        raise ledger_error(home, error) from error


def _open_writer(home: Home) -> Connection:
    _check_sqlite()
    if is_network(home.path):
        raise LedgerError(f"{home.path} lies on a network file system, where SQLite's WAL is not safe")
    _create_private(home.ledger)
    raw = apsw.Connection(str(home.ledger), flags=apsw.SQLITE_OPEN_READWRITE)
    connection = _harden(raw, _WRITER_CACHE_KIB)
    # Of a new file only: a call is about two kilobytes, and pages of four waste much of theirs.
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES:d}")
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: with NORMAL a power cut can undo acknowledged commits.
    connection.execute("PRAGMA synchronous = FULL")
    # What is deleted is overwritten: see `rewrite_table`.
    connection.execute("PRAGMA secure_delete = ON")
    raw.wal_autocheckpoint(_CHECKPOINT_PAGES)
    connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")
    _create_schema(connection)
    return connection


def open_reader(home: Home) -> Connection | None:
    """Open the ledger read-only; None where there is none yet.

    Raises:
        LedgerError: It is there and cannot be read; as for `open_writer`.
    """
    _check_sqlite()
    try:
        if not home.ledger.exists():
            return None
        try:
            connection, version = _open_to_read(str(home.ledger), apsw.SQLITE_OPEN_READONLY)
        except apsw.CantOpenError:
            connection, version = _open_unchanging(home.ledger)
        if version == 0:  # the writer is creating it at this moment
            connection.close()
            return None
    except (apsw.Error, OSError) as error:
        raise ledger_error(home, error) from error
    return connection


def _open_to_read(name: str, flags: int) -> tuple[Connection, int]:
    connection = _harden(apsw.Connection(name, flags=flags), _READER_CACHE_KIB)
    connection.execute("PRAGMA query_only = ON")
    version = schema_version(connection)
    _refuse_others(connection, version)
    return connection, version


def _open_unchanging(path: Path) -> tuple[Connection, int]:
    """Open a ledger whose directory cannot be written, where SQLite's WAL needs files of its own.

    Only where no change waits in a WAL: otherwise the file alone may be an incomplete state.
    """
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists() and wal.stat().st_size:
        raise LedgerError(
            f"{path} cannot be read where its directory cannot be written: its last changes are still in "
            f"{wal.name}; copy the state directory to where it can be, and name the copy with --home"
        )
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    return _open_to_read(f"file:{quote(str(path))}?immutable=1", flags)


def ledger_error(home: Home, error: Exception) -> LedgerError:
    """Return what to tell a user where SQLite or the system refuses the ledger's file."""
    if isinstance(error, LedgerError):
        return error
    if isinstance(error, (apsw.NotADBError, apsw.CorruptError)):
        return LedgerDamagedError(
            f"{home.ledger} is damaged, or is not a ledger ({error}); move it away, with its -wal and -shm "
            "files, to start again, or restore a copy"
        )
    why = str(error)
    if isinstance(error, apsw.FullError):
        why = "the disk is full"
    elif isinstance(error, OSError):
        why = error.strerror or why
    if isinstance(error, apsw.SQLError | apsw.BusyError | apsw.LockedError):
        return LedgerError(f"{home.ledger} cannot be read: {why}")
    return LedgerUnwritableError(f"{home.ledger} cannot be written: {why}")


def schema_version(connection: Connection) -> int:
    """Return the number of the schema; 0 where there is none yet."""
    row = connection.execute("PRAGMA user_version").fetchone()
    return int(row[0]) if row else 0


def rewrite_table(connection: Connection, name: str) -> None:
    """Write a table anew, within the caller's transaction: nothing that it once held is left in the file.

    SQLite overwrites the rows it deletes and the pages it frees, but not copies that moving a row between
    pages leaves in their unused space.
    """
    found = "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type <> 'table'"
    (made,), *others = connection.execute(found, (name,)).fetchall()
    connection.execute(f"CREATE TABLE {name}_before AS SELECT * FROM {name}")  # noqa: S608 - ours
    connection.execute(f"DROP TABLE {name}")
    connection.execute(made)
    connection.execute(f"INSERT INTO {name} SELECT * FROM {name}_before ORDER BY 1")  # noqa: S608
    for (sql,) in others:
        connection.execute(sql)
    connection.execute(f"DROP TABLE {name}_before")


def schema() -> str:
    """Return the SQL that makes a new ledger."""
    return (resources.files("farebox.ledger") / "schema.sql").read_text(encoding="utf-8")


def _create_schema(connection: Connection) -> None:
    version = schema_version(connection)
    _refuse_others(connection, version)
    if version == 1:
        _note_ends(connection)
    if version in (1, 2):
        _follow_plans(connection)
    if version in (1, 2, 3):
        _keep_signatures(connection)
    if version:
        return
    with connection:
        connection.execute(schema())
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION:d}")


def _note_ends(connection: Connection) -> None:
    """Upgrade a ledger of schema 1, which did not write down where its chains end, or had begun to."""
    made = schema().partition("CREATE TABLE chain_end")
    statement = "CREATE TABLE IF NOT EXISTS chain_end" + made[2].partition(";")[0]
    with connection:
        connection.execute(statement)
        for chain in ("mark", "witness", "outcome", "score"):
            connection.execute(
                f"INSERT OR REPLACE INTO chain_end SELECT ?, id, hash FROM {chain} ORDER BY id DESC LIMIT 1",  # noqa: S608
                (chain,),
            )
        connection.execute("PRAGMA user_version = 2")


def _follow_plans(connection: Connection) -> None:
    """Upgrade a ledger of schema 2: plans have taken the place of contracts with customers."""
    with connection:
        connection.execute("DROP TABLE IF EXISTS contract_month")
        for table in ("plan_period", "known_terms", "terms_walk"):
            made = schema().partition(f"CREATE TABLE {table}")
            columns = made[2].partition(";")[0]
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table}{columns}")
        connection.execute("PRAGMA user_version = 3")


def _keep_signatures(connection: Connection) -> None:
    """Upgrade a ledger of schema 3, whose checkpoints were not signed."""
    made = schema()
    table = made.partition("CREATE TABLE checkpoint_signature")[2].partition(";")[0]
    triggers = made.partition("CREATE TRIGGER checkpoint_signature_never_updated")
    with connection:
        connection.execute(f"CREATE TABLE IF NOT EXISTS checkpoint_signature{table}")
        connection.execute((triggers[1] + triggers[2]).replace("TRIGGER", "TRIGGER IF NOT EXISTS"))
        connection.execute("PRAGMA user_version = 4")


def _refuse_others(connection: Connection, version: int) -> None:
    """Raise the error that names whose file this is, unless this Farebox knows its schema."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if tables and not {"applied", "mark"} <= tables:
        raise LedgerDamagedError("ledger.db is a database of another program; move it away to start again")
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if tables and application != APPLICATION_ID:
        raise LedgerTooOldError(
            "the ledger was written by a Farebox before the first release; move ledger.db away to start again"
        )
    if version > SCHEMA_VERSION:
        raise LedgerSchemaError(
            f"the ledger has schema {version}, this Farebox knows {SCHEMA_VERSION}; "
            "use the Farebox that wrote it"
        )


def _check_sqlite() -> None:
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < _SQLITE_OLDEST:
        wanted = ".".join(map(str, _SQLITE_OLDEST))
        raise LedgerError(f"SQLite {apsw.sqlite_lib_version()} is in use, {wanted} is needed: upgrade apsw")


def _harden(raw: apsw.Connection, cache_kib: int) -> Connection:
    raw.set_busy_timeout(_BUSY_MS)
    raw.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection = cast("Connection", raw)
    connection.execute("PRAGMA mmap_size = 0")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute(f"PRAGMA cache_size = -{cache_kib:d}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _create_private(path: Path) -> None:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    os.close(os.open(path, flags, 0o600))
    check_private(path)
