"""Tables whose rows are never changed and never removed: the database itself refuses it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

_FUNCTION = """CREATE OR REPLACE FUNCTION farebox_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"""


def make_append_only(*tables: str) -> None:
    """Add the triggers, in a migration that has created the tables."""
    dialect = op.get_context().dialect.name
    if dialect == "postgresql":
        op.execute(sa.text(_FUNCTION))
    for table in tables:
        for change in ("UPDATE", "DELETE"):
            if dialect == "postgresql":
                refusal = "FOR EACH ROW EXECUTE FUNCTION farebox_append_only()"
            else:
                refusal = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            name = f"{table}_no_{change.lower()}"
            op.execute(sa.text(f"CREATE TRIGGER {name} BEFORE {change} ON {table} {refusal}"))
