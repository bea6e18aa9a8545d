"""Enqueue in plain SQL, for the ledger process: the same rows as `messages.enqueue`, without SQLAlchemy.

The ledger's alert state, the message and the number of the row it was decided at are one transaction on
`control.db`. A test holds both ways to the same rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from farebox.control.outbox.envelope import Envelope, settings, wants
from farebox.control.outbox.wake import wake
from farebox.errors import ControlError, ControlSchemaError

if TYPE_CHECKING:
    from farebox.home import Home

SCHEMA = "0001"
"""The migration that made the tables as they are written here."""

BUSY_MS = 10_000
_PRAGMAS = ("foreign_keys = ON", "synchronous = FULL", "trusted_schema = OFF", "secure_delete = ON")
_MIGRATIONS = Path(__file__).parent.parent / "migrations"


class Connection(Protocol):
    """What `apsw` and `sqlite3` connections have in common."""

    def execute(self, statements: str, bindings: Any = ..., /) -> Iterable[Any]: ...


@contextlib.contextmanager
def writing(home: Home, busy_ms: int = BUSY_MS) -> Generator[Connection]:
    """Open a transaction on `control.db`; committed at the end, rolled back when the block raises.

    `busy_ms`: how long to wait where others write.

    In a process that writes it this way no other SQLite library may open the file: closing one library's
    file gives up the locks of the other (https://sqlite.org/howtocorrupt.html, 2.2).

    Raises:
        ControlError: It cannot be written now: damaged, locked for so long, not there.
    """
    import apsw

    try:
        opened = apsw.Connection(str(home.control), flags=apsw.SQLITE_OPEN_READWRITE)
    except apsw.Error as error:
        raise ControlError(f"{home.control} cannot be opened: {error}") from error
    try:
        opened.set_busy_timeout(busy_ms)
        connection = cast(Connection, opened)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN IMMEDIATE")
        _check_schema(connection, home)
        before = opened.total_changes()
        yield connection
        connection.execute("COMMIT")
        if opened.total_changes() != before:
            wake(home)
    except apsw.Error as error:
        raise ControlError(f"{home.control} cannot be written: {error}") from error
    finally:
        opened.close(True)  # where it was not committed, this rolls it back


def enqueue(connection: Connection, sent: Envelope, *, only: str | None = None) -> str | None:
    """Store a message and its deliveries in the caller's transaction; see `messages.enqueue`."""
    if sent.dedupe_key is not None:
        for (known,) in connection.execute(
            "SELECT id FROM outbox_message WHERE dedupe_key = ?", (sent.dedupe_key,)
        ):
            return str(known)
    receivers = "SELECT name, configured, commanded FROM outbox_receiver ORDER BY name"
    names = [
        name
        for name, configured, commanded in connection.execute(receivers)
        if (said := settings(configured, commanded)) is not None
        and (wants(said.kinds, sent.kind) if only is None else name == only)
    ]
    if not names:
        return None
    connection.execute(
        "INSERT INTO outbox_message (id, kind, dedupe_key, payload, created_at, cause) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (sent.id, sent.kind, sent.dedupe_key, sent.payload, sent.created_at, sent.cause),
    )
    for name in names:
        connection.execute(
            "UPDATE outbox_receiver SET last_position = last_position + 1 WHERE name = ?", (name,)
        )
        connection.execute(
            "INSERT INTO outbox_delivery (message, receiver, position, state, attempts) "
            "SELECT ?, name, last_position, 'pending', 0 FROM outbox_receiver WHERE name = ?",
            (sent.id, name),
        )
    return sent.id


def _check_schema(connection: Connection, home: Home) -> None:
    newest = max(file.name[:4] for file in _MIGRATIONS.glob("0*.py"))
    for (version,) in connection.execute("SELECT version_num FROM alembic_version"):
        if version < SCHEMA:
            raise ControlSchemaError(
                f"{home.control} has schema {version}: the server upgrades it as it starts"
            )
        if version > newest:
            raise ControlSchemaError(f"{home.control} has schema {version}, this Farebox knows {newest}")
        return
    raise ControlError(f"{home.control} has no schema yet")
