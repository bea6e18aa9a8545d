"""Migrations make the schema, and a kill at any moment leaves all of it or nothing."""

from __future__ import annotations

import io
import os
import re
import shutil
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable
from tests.control_kills import killed_at

from farebox.control.database import ControlDatabase
from farebox.control.schema import metadata
from farebox.control.upgrade import MIGRATIONS, statements
from farebox.home import Home

SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table("made_up", sa.Column("id", sa.Text, primary_key=True))
    op.add_column("key_label", sa.Column("note", sa.Text))
    op.execute(sa.text("UPDATE key_label SET note = 'old'"))
    op.create_index("key_label_note", "key_label", ["note"])
"""


@pytest.fixture
def two_migrations(tmp_path: Path) -> Path:
    """The migrations there are, and one more than the newest."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    newest = max(file.name[:4] for file in folder.glob("0*.py"))
    after = f"{int(newest) + 1:04d}"
    (folder / f"{after}_second.py").write_text(SECOND.replace("0002", after).replace("0001", newest))
    return folder


def schema_of(path: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
        found += connection.execute("SELECT 'version', version_num FROM alembic_version").fetchall()
    connection.close()
    return found


def test_migrations_make_the_tables_that_the_schema_declares(home: Home) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    database = ControlDatabase(home)
    database.prepare()
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    made = dict(schema_of(home.control))
    for table in metadata.tables.values():  # constraints, too, which that comparison passes over
        declared = str(CreateTable(table).compile(dialect=connection.dialect))
        assert words(declared) == words(made[table.name])


def test_a_new_database_is_what_the_migrations_make(home: Home, tmp_path: Path) -> None:
    ControlDatabase(home).prepare()
    other = Home(tmp_path / "other")
    other.prepare()
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    ControlDatabase(other, folder).prepare()
    assert schema_of(home.control) == schema_of(other.control)


_BETWEEN = r", \n|, (?=\w+ (?:TEXT|INTEGER|BIGINT)\b)"
"""A column that was added later is on the line of the one before it."""


def words(sql: str) -> list[str]:
    """Return the lines of a CREATE TABLE in an order that does not matter."""
    return sorted(re.sub(r"\s+", " ", line).strip(" ,\n") for line in re.split(_BETWEEN, sql) if line.strip())


def test_every_migration_is_sql_for_postgresql_too() -> None:
    written = io.StringIO()
    statements("postgresql", written)
    made = re.findall(r"CREATE TABLE (\w+)", written.getvalue())
    assert set(made) == {*metadata.tables, "alembic_version"}
    for table in metadata.tables.values():
        for each in (CreateTable(table), *map(CreateIndex, table.indexes)):
            assert str(each.compile(dialect=postgresql.dialect()))


def test_what_only_sqlite_understands_is_noticed(home: Home) -> None:
    """The negative control of `portable_statements`."""
    from sqlalchemy.dialects.sqlite import insert
    from sqlalchemy.exc import CompileError

    from farebox.control.schema import key_label

    database = ControlDatabase(home)
    database.prepare()
    values = {"fingerprint": "0" * 16, "label": "a", "binding": "{}", "changed_at": 1}
    upsert = insert(key_label).values(values).on_conflict_do_update(index_elements=["label"], set_=values)
    with pytest.raises((CompileError, AttributeError)), database.writing() as connection:
        connection.execute(upsert)
    with pytest.raises(AssertionError, match="INSERT"), database.writing() as connection:
        connection.exec_driver_sql("INSERT OR REPLACE INTO key_label VALUES ('', '', '', 1)")


LONG = bool(os.environ.get("FAREBOX_LONG"))
STRIDES = {"nothing": 1 if LONG else 41, "first schema": 1 if LONG else 7}
"""Otherwise only some steps are tried: fewer for a new database, which has all migrations before it."""


@pytest.mark.parametrize("every_instruction", [0, 25], ids=["between statements", "inside statements"])
@pytest.mark.parametrize("start", ["nothing", "first schema"])
def test_a_kill_at_any_step_of_an_upgrade_leaves_the_old_schema_or_the_new_one(
    home: Home, two_migrations: Path, tmp_path: Path, start: str, every_instruction: int
) -> None:
    fresh = Home(tmp_path / "fresh")
    fresh.prepare()
    ControlDatabase(fresh, two_migrations).prepare()
    wanted = schema_of(fresh.control)
    before = tmp_path / "before.db"
    if start == "first schema":
        ControlDatabase(home).prepare()
        with sqlite3.connect(home.control) as connection:
            connection.execute("INSERT INTO key_label VALUES ('0123456789abcdef', 'backend', '{}', 1)")
        connection.close()
        shutil.copy(home.control, before)
    moment, lived, states = 0, False, set[int]()
    while not lived:
        for path in home.path.glob("control.db*"):
            path.unlink()
        if before.exists():
            shutil.copy(before, home.control)
        lived = killed_at(moment, ControlDatabase(home, two_migrations).prepare, every_instruction)
        with sqlite3.connect(home.control) as connection:  # a hot journal is rolled back here
            states.add(len(connection.execute("SELECT name FROM sqlite_schema").fetchall()))
        connection.close()
        ControlDatabase(home, two_migrations).prepare()
        assert schema_of(home.control) == wanted, f"killed at step {moment}"
        if before.exists():
            with sqlite3.connect(home.control) as connection:
                kept = connection.execute("SELECT label, note FROM key_label").fetchall()
            connection.close()
            assert kept == [("backend", "old")]
        moment += STRIDES[start]
    assert moment > 20
    assert len(states) == 2, "between old and new there is nothing"


def test_an_upgrade_that_fails_changes_nothing(home: Home, two_migrations: Path) -> None:
    ControlDatabase(home).prepare()
    before = schema_of(home.control)
    file = max(two_migrations.glob("0*.py"))
    file.write_text(f"{file.read_text()}    raise RuntimeError('half-way')\n")
    with pytest.raises(RuntimeError, match="half-way"):
        ControlDatabase(home, two_migrations).prepare()
    assert schema_of(home.control) == before
