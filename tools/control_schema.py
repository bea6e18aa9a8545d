"""The newest schema of `control.db` as one script: what all migrations make of an empty database."""

from __future__ import annotations

import sqlite3

from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from farebox.control.upgrade import migrate

_HEAD = """\
-- Made by tools/generate.py of the migrations: a new database is made of it at once. Never edited by hand.
"""


def control_schema() -> str:
    """Return the script, a statement after the other."""
    raw = sqlite3.connect(":memory:", check_same_thread=False)
    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
    with engine.begin() as connection:
        migrate(connection)
    lines = [line for line in raw.iterdump() if line not in ("BEGIN TRANSACTION;", "COMMIT;")]
    raw.close()
    return _HEAD + "".join(f"{line}\n" for line in lines)
