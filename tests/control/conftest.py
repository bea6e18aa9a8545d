"""A home, and a second dialect: what is executed here has to be SQL for PostgreSQL, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import ClauseElement, Engine, event
from sqlalchemy.dialects import postgresql

from farebox.home import Home


@pytest.fixture
def home(away_from_home: Path) -> Home:
    home = Home(away_from_home)
    home.prepare()
    return home


@pytest.fixture(autouse=True)
def portable_statements() -> Iterator[list[str]]:
    """Compile every statement for PostgreSQL; SQL as text is allowed for SQLite's own pragmas only."""
    compiled: list[str] = []

    def compile_for_postgresql(_connection: Any, statement: Any, *_: Any) -> None:
        if isinstance(statement, ClauseElement):
            compiled.append(str(statement.compile(dialect=postgresql.dialect())))

    def only_pragmas(_connection: Any, _cursor: Any, statement: str, _given: Any, context: Any, _many: bool):
        if context.compiled is None:
            asks_sqlite = "sqlite_master" in statement  # SQLAlchemy's own list of tables
            assert asks_sqlite or statement.split()[0] in ("PRAGMA", "BEGIN"), statement

    event.listen(Engine, "before_execute", compile_for_postgresql)
    event.listen(Engine, "before_cursor_execute", only_pragmas)
    yield compiled
    event.remove(Engine, "before_execute", compile_for_postgresql)
    event.remove(Engine, "before_cursor_execute", only_pragmas)
