"""Open `control.db`: several writers at once, one transaction each, the newest schema.

SQLite with a rollback journal: with a WAL, versions of SQLite that Python may be linked to can corrupt the
file under several writers (https://sqlite.org/wal.html#walresetbug). A writer begins with BEGIN IMMEDIATE, so
that it waits for others at its beginning and never fails half-way because of them.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Generator
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Column, Connection, MetaData, Table, Text, create_engine, event, exc, inspect, select
from sqlalchemy.pool import NullPool

from farebox.budgets.budget import COMMAND
from farebox.clock import now_ns
from farebox.control import seal
from farebox.control.audit import entries
from farebox.control.audit.beginning import FIRST_CHAINED, begin
from farebox.control.audit.change_capture import before_statement, begin_capture
from farebox.control.upgrade import MIGRATIONS, newest_in, upgrade
from farebox.errors import (
    ControlDamagedError,
    ControlError,
    ControlSchemaError,
    ControlUnwritableError,
)
from farebox.home import Home, check_private
from farebox.snapshot import read_snapshot

BUSY_S = 10.0
"""How long one writer waits for another one."""

_CHECKED_BYTES_MAX = 32 << 20
"""Up to this size every opening checks the whole file, about 5 ms a megabyte."""

_VERSION = Table("alembic_version", MetaData(), Column("version_num", Text))
"""Alembic's own."""

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)
_UNWRITABLE = (
    *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL),
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH),
)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class ControlDatabase:
    """Transactions on `control.db`. Each has a connection of its own, so it can be shared by threads."""

    def __init__(self, home: Home, migrations: Path = MIGRATIONS) -> None:
        self.home = home
        self._migrations = migrations
        self.newest = newest_in(migrations)
        """The number of the schema that this Farebox knows."""
        self._writable = os.access(home.path, os.W_OK)
        self._engine = create_engine("sqlite://", creator=self._connect, poolclass=NullPool)
        event.listen(self._engine, "begin", _begin)
        event.listen(self._engine, "before_cursor_execute", before_statement)

    @contextlib.contextmanager
    def reading(self) -> Generator[Connection]:
        """Read one consistent state.

        Raises:
            ControlError: It cannot be read; the subclasses say why.
        """
        with named_errors(self.home), self._engine.connect() as connection:
            self._refuse_others(connection)
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Generator[Connection]:
        """Write: committed at the end, rolled back when the block raises. Waits up to 10 s for others.

        What the block changed is written into the audit with it; `audit.note` says who did it.

        Raises:
            ControlError: It cannot be written; the subclasses say why.
        """
        with self._writing() as connection:
            self._refuse_others(connection)
            capture = begin_capture(connection)
            yield connection
            capture.write(connection)

    def prepare(self) -> None:
        """Create or upgrade the file, and check it.

        Raises:
            ControlSchemaError: A newer Farebox wrote it.
            ControlDamagedError: It is damaged, or no control database.
            ControlUnwritableError: It is missing or old, and cannot be written.
        """
        with named_errors(self.home):
            made = self._create()
            with self._engine.connect() as connection:
                if self.home.control.stat().st_size <= _CHECKED_BYTES_MAX:
                    self._check(connection)
                version = _version(self.home, connection, self.newest)
                if version == self.newest:
                    self.check_seal(connection)
            if version is None and not made and _was_published(self.home):
                raise damaged(self.home, "it is empty, and what commands set was published from it")
            if version is None or version < self.newest:
                with self._writing() as connection:
                    there = _version(
                        self.home, connection, self.newest
                    )  # others may have written it meanwhile
                    upgrade(connection, self._migrations)
                    _begin_audit(connection, there)
                    seal.renew(connection)

    @contextlib.contextmanager
    def filling(self, revision: str) -> Generator[Connection]:
        """Create the file at an older schema to be filled; it is brought up to date when the block ends.

        Raises:
            ControlError: It cannot be made.
        """
        self._create()
        with self._writing() as connection:
            upgrade(connection, self._migrations, revision)
            yield connection
            upgrade(connection, self._migrations)
            entries.seal_last(connection)
            _begin_audit(connection, revision)
            seal.renew(connection)

    def check(self) -> None:
        """Read the whole file, whatever its size.

        Raises:
            ControlDamagedError: With the first thing that is wrong.
        """
        with self.reading() as connection:
            self._check(connection)

    def _create(self) -> bool:
        """Create the file; return False where it is there already."""
        missing = not self.home.control.exists()
        if missing:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            os.close(os.open(self.home.control, flags, 0o600))
        check_private(self.home.control)
        return missing

    def copy_into(self, target: sqlite3.Connection) -> None:
        """Copy one consistent state into another database; writers wait meanwhile, some milliseconds."""
        with self.reading() as connection:
            raw = connection.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - ours, see `_connect`
            raw.backup(target)

    def check_seal(self, connection: Connection) -> None:
        """Raise `ControlDamagedError` where what commands set is not what was written."""
        if not seal.holds(connection):
            raise damaged(self.home, "its names, tokens and budgets do not match their checksum")

    def _check(self, connection: Connection) -> None:
        for pragma in ("integrity_check(1)", "foreign_key_check"):
            found = connection.exec_driver_sql(f"PRAGMA {pragma}").first()
            if found is not None and found[0] != "ok":
                raise damaged(self.home, str(found[0]))

    def _refuse_others(self, connection: Connection) -> None:
        """Raise where a newer Farebox upgraded the file while we had it, or another program emptied it."""
        if _version(self.home, connection, self.newest) is None:
            raise damaged(self.home, "it has become empty")

    @contextlib.contextmanager
    def _writing(self) -> Generator[Connection]:
        with named_errors(self.home), self._engine.connect() as connection:
            writer = connection.execution_options(farebox_writes=True)
            with writer.begin():
                yield writer

    def _connect(self) -> sqlite3.Connection:
        mode = "rw" if self._writable else "ro"
        connection = sqlite3.connect(
            f"file:{quote(str(self.home.control))}?mode={mode}",
            uri=True,
            timeout=BUSY_S,
            isolation_level=None,  # transactions begin where we say so
            check_same_thread=False,
        )
        for pragma in (
            "foreign_keys = ON",
            "synchronous = FULL",
            "trusted_schema = OFF",
            "cell_size_check = ON",
            "secure_delete = ON",  # what was erased is not in free pages either
        ):
            connection.execute(f"PRAGMA {pragma}")
        if connection.execute("PRAGMA journal_mode").fetchone() != ("delete",):
            connection.execute("PRAGMA journal_mode = DELETE")
        return connection


def open_control(home: Home) -> ControlDatabase:
    """Return the control database of a state directory, created or upgraded where that is needed.

    Raises:
        ControlError: As `ControlDatabase.prepare`.
    """
    database = ControlDatabase(home)
    database.prepare()
    return database


def _was_published(home: Home) -> bool:
    """Return whether the snapshot has what only a control database can have said."""
    published = read_snapshot(home)
    commanded = any(each.origin == COMMAND for each in published.budgets)
    billed = published.customers or published.subscriptions
    return bool(published.labelled or published.tokens or commanded or published.stops or billed)


def damaged(home: Home, why: str) -> ControlDamagedError:
    """Return what to tell a user whose file is damaged."""
    return ControlDamagedError(
        f"{home.control} is damaged, or is not a control database ({why}); calls are metered all the same, "
        "with the names, tokens and budgets that were published last. Restore it from a backup, or move it "
        "away to start again"
    )


@contextlib.contextmanager
def named_errors(home: Home) -> Generator[None]:
    """Turn what SQLite and the system refuse into errors that say what to do."""
    try:
        yield
    except exc.IntegrityError:
        raise  # a constraint: for whoever wrote the statement to explain
    except exc.DBAPIError as error:
        raise _named(home, error.orig or error) from error
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise _named(home, error) from error


def _named(home: Home, error: BaseException) -> ControlError:
    if isinstance(error, OSError):
        return ControlUnwritableError(f"{home.control} cannot be used: {error.strerror or error}")
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if primary in _BUSY:
        return ControlError(
            f"{home.control} has been written by another process for {BUSY_S:.0f} seconds; try "
            "again, and look at what holds it if that does not help"
        )
    if primary in _UNWRITABLE:
        why = {sqlite3.SQLITE_FULL: "the disk is full", sqlite3.SQLITE_READONLY: "it is read-only"}
        return ControlUnwritableError(
            f"{home.control} cannot be written: {why.get(primary, str(error))}; "
            "names, tokens and budgets stay as they were"
        )
    # No code: text that is no UTF-8. SQLITE_ERROR: a table or column that should be there is not.
    if primary in _DAMAGED or primary is None or primary == sqlite3.SQLITE_ERROR:
        return damaged(home, str(error))
    return ControlError(f"{home.control} cannot be used: {error}")


def _begin_audit(connection: Connection, version: str | None) -> None:
    """Begin the audit's chain with what a database of an older schema holds."""
    if version is not None and version < FIRST_CHAINED:
        begin(connection, now_ns())


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("farebox_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _version(home: Home, connection: Connection, newest: str) -> str | None:
    """Return the schema's number, None where there is nothing yet."""
    names = inspect(connection).get_table_names()
    if not names:
        return None
    if "alembic_version" not in names:
        raise damaged(home, "another program's tables are in it")
    version = connection.execute(select(_VERSION.c.version_num)).scalar()
    if not isinstance(version, str):
        raise damaged(home, "its schema has no number")
    if version > newest:
        raise ControlSchemaError(
            f"{home.control} has schema {version}, this Farebox knows {newest}: use the Farebox that wrote "
            "it, or a newer one; calls are metered all the same, with the names, tokens and budgets "
            "that were published last"
        )
    return version
