"""Bring `control.db` to the newest schema: every migration that is missing, in the caller's one transaction.

A new database is made of a script; Alembic is loaded only where there is something to upgrade. A process
that is killed half-way leaves the schema as it was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect

from farebox.control.schema import metadata

MIGRATIONS = Path(__file__).parent / "migrations"
NEWEST = Path(__file__).parent / "newest_schema.sql"


def newest_in(migrations: Path) -> str:
    """Return the last migration's number: its file's name begins with it."""
    return max(file.name[:4] for file in migrations.glob("[0-9]*.py"))


def upgrade(connection: Connection, migrations: Path = MIGRATIONS, target: str = "head") -> None:
    """Bring the schema up to `target`; the caller has begun the transaction and commits it."""
    if migrations == MIGRATIONS and target == "head" and not _has_tables(connection):
        _make(connection)
    else:
        migrate(connection, migrations, target)


def _has_tables(connection: Connection) -> bool:
    return bool(inspect(connection).get_table_names())


def _make(connection: Connection) -> None:
    """Make the newest schema of its script: what the migrations would make, without Alembic."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - ours, see `database`
    statement = ""
    for line in NEWEST.read_text(encoding="utf-8").splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            raw.execute(statement)
            statement = ""


def migrate(connection: Connection, migrations: Path = MIGRATIONS, target: str = "head") -> None:
    """Run the migrations up to `target`."""
    context, script = _environment(migrations)

    def steps(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs(target, revision)  # pyright: ignore[reportPrivateUsage] - as Alembic's commands

    with context(fn=steps, destination_rev=target) as environment:
        # SQLite's DDL is part of the transaction, too, since ours begins with BEGIN and not implicitly.
        environment.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
        environment.run_migrations()


def statements(dialect: str, write: Any, migrations: Path = MIGRATIONS) -> None:
    """Write the SQL of all migrations for a dialect to a text stream, without a database."""
    context, script = _environment(migrations)

    def steps(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs("head", revision)  # pyright: ignore[reportPrivateUsage]

    with context(fn=steps, as_sql=True, destination_rev="head") as environment:
        environment.configure(dialect_name=dialect, output_buffer=write, target_metadata=metadata)
        environment.run_migrations()


def _environment(migrations: Path) -> tuple[Callable[..., Any], Any]:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(migrations), version_locations=[str(migrations)])
    config = Config()
    return lambda **how: EnvironmentContext(config, script, **how), script  # pyright: ignore
