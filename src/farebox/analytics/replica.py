"""`analytics.duckdb`: open it as its only owner, read its cursor, delete it where it is damaged.

The file holds nothing that the record does not, so a damaged one is made again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from farebox.analytics import schema
from farebox.errors import QuestionError, ReplicaBusyError
from farebox.home import Home

if TYPE_CHECKING:
    import duckdb

MEMORY = "128MB"
MEMORY_MOST = "192MB"
"""For one question that needs more: percentiles of five million calls, say. Then it is as before."""

THREADS = 2
_FILE, _SPILLED = "analytics.duckdb", "analytics.spilled"
LOCK_SECONDS = 2.0
_LOCK_PAUSE = 0.02


class Cursor(NamedTuple):
    """How far the replica has followed, and which record."""

    format: int
    seq: int
    event_id: bytes | None
    """Of row `seq`: another one there is another record."""
    first_event_id: bytes | None
    erasure: int
    """The last erasure of personal values before the first row was copied."""


class DamagedReplicaError(Exception):
    """The file cannot be read, or not by this DuckDB. It never reaches a user: it is made again."""


class Lock:
    """`analytics.lock`: whoever holds it owns the replica's file."""

    def __init__(self, home: Home) -> None:
        self._path = home.path / "analytics.lock"
        self._descriptor: int | None = None

    def acquire(self, seconds: float = LOCK_SECONDS) -> None:
        """Take the lock, waiting so long for another process.

        Raises:
            ReplicaBusyError: Another process still holds it; the message says which.
            OSError: The state directory cannot be written.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
                    os.close(descriptor)
                    raise ReplicaBusyError(
                        f"process {holder} is answering questions from analytics.duckdb; try again"
                    ) from None
                time.sleep(_LOCK_PAUSE)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Replica:
    """An open replica: a file that this process owns, or one in memory. For one thread."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._connection = self._open()

    @classmethod
    def of(cls, home: Home) -> Replica:
        """Open the home's replica; the caller holds its lock.

        Raises:
            DamagedReplicaError: It cannot be read.
        """
        delete_spilled(home)
        return cls(home.path / _FILE)

    @classmethod
    def in_memory(cls) -> Replica:
        """Return an empty one that nobody else sees."""
        return cls(None)

    def _open(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        connection = duckdb.connect(
            config={
                "memory_limit": MEMORY,
                "threads": str(THREADS),
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "preserve_insertion_order": "false",
            }
        )
        if self._path is None:
            connection.execute("SET temp_directory = ''")  # a folder of the working directory otherwise
            connection.execute(schema.CREATE)
            return connection
        try:
            self._attach(connection, self._path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _attach(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        spilled = str(path.with_name(_SPILLED)).replace("'", "''")
        attached = str(path).replace("'", "''")
        is_new = not path.exists()
        with damage_told():
            connection.execute(f"SET temp_directory = '{spilled}'")
            with _private_files():
                connection.execute(
                    f"ATTACH '{attached}' AS replica (STORAGE_VERSION '{schema.STORAGE_VERSION}')"
                )
                # From here on no statement reads or writes any other file.
                connection.execute("SET enable_external_access = false")
                connection.execute("USE replica")
                if is_new:  # of others the cursor says whether they are ours
                    connection.execute(f"BEGIN; {schema.CREATE} COMMIT")

    def close(self) -> None:
        """Write everything and close the file."""
        with _private_files():
            self._connection.close()

    def cursor(self) -> Cursor:
        """Return how far the replica is.

        Raises:
            DamagedReplicaError: It is of another format, or cannot be read.
        """
        rows = self.rows("SELECT * FROM cursor")
        if len(rows) != 1 or rows[0][0] != schema.FORMAT:
            raise DamagedReplicaError("it has another format")
        number, seq, event_id, first, erasure = rows[0]
        return Cursor(number, seq, _blob(event_id), _blob(first), erasure)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of a statement.

        Raises:
            QuestionError: There is not enough memory for it.
            DamagedReplicaError: The file cannot be read.
        """
        try:
            with damage_told():
                return self._connection.execute(sql, list(parameters)).fetchall()
        except QuestionError:
            with damage_told(), self._more_memory():
                return self._connection.execute(sql, list(parameters)).fetchall()

    @contextlib.contextmanager
    def _more_memory(self) -> Generator[None]:
        self._connection.execute(f"SET memory_limit = '{MEMORY_MOST}'")
        try:
            yield
        finally:
            self._connection.execute(f"SET memory_limit = '{MEMORY}'")

    @contextlib.contextmanager
    def transaction(self) -> Generator[Callable[[str, Sequence[Any]], object]]:
        """Run statements that are kept all together, or not at all."""
        with damage_told(), _private_files():
            self._connection.begin()
            try:
                yield self._connection.execute
            except BaseException:
                with contextlib.suppress(Exception):  # after a fatal error there is nothing to roll back
                    self._connection.rollback()
                raise
            self._connection.commit()


@contextlib.contextmanager
def _private_files() -> Generator[None]:
    """Make the files that DuckDB makes meanwhile, its log among them, as private as the record."""
    mask = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(mask)


def delete(home: Home) -> None:
    """Delete the home's replica; the caller holds its lock."""
    for name in (_FILE, f"{_FILE}.wal"):
        (home.path / name).unlink(missing_ok=True)
    delete_spilled(home)


def delete_spilled(home: Home) -> None:
    """Delete what a question that was killed had spilled to the disk; the caller holds the lock."""
    shutil.rmtree(home.path / _SPILLED, ignore_errors=True)


@contextlib.contextmanager
def damage_told() -> Generator[None]:
    """Turn DuckDB's errors into ours: too little memory, or a file that has to be made again."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise QuestionError(
            f"this question needs more than {MEMORY_MOST} of memory: ask for a shorter period or fewer groups"
        ) from error
    except (duckdb.InterruptException, duckdb.BinderException, duckdb.ParserException):
        raise
    except duckdb.Error as error:
        if "No space left" in str(error):
            raise QuestionError("there is no space left on the disk for the replica") from error
        raise DamagedReplicaError(str(error).partition("\n")[0]) from error


def _blob(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
