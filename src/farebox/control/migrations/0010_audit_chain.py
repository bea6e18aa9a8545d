"""The audit becomes a chain with rows before and after; what files of the home said is kept; invoices
are signed.

Entries from before follow the chain's first one, which says so: it proves what they were at that moment.
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

from farebox.clock import now_ns, uuid7, uuid_text
from farebox.control.audit.chain import GENESIS, content_digest, link

revision = "0010"
down_revision = "0009"

_KEPT = ("number", "id", "at", "actor", "action", "digest", "hash")
"""Columns of an entry that nothing may change; the others can be erased."""


def upgrade() -> None:
    op.drop_index("audit_subject", "audit")
    op.rename_table("audit", "audit_before")
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("changes", sa.Text, nullable=False),
        sa.Column("salt", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_index("audit_subject", "audit", ["subject"])
    op.create_index("audit_at", "audit", ["at"])
    if not op.get_context().as_sql:
        _take_over()
    op.drop_table("audit_before")
    _make_erasable_only()
    op.create_table(
        "file_definition",
        sa.Column("file", sa.Text, primary_key=True),
        sa.Column("section", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("definition", sa.Text, nullable=False),
    )
    op.add_column("invoice", sa.Column("checkpoint", sa.Text))


def _take_over() -> None:
    """Begin the chain with the entries that are there."""
    connection = op.get_bind()
    columns = ("id", "at", "actor", "action", "subject", "detail")
    before = sa.table("audit_before", *map(sa.column, columns))
    earlier = connection.execute(sa.select(before).order_by(before.c.at, before.c.id)).all()
    if not earlier:
        return
    now = now_ns()
    detail = f'{{"earlier_entries":{len(earlier)}}}'
    first = (uuid_text(uuid7(now)), now, "farebox", "audit.begin", "audit", detail)
    audit = sa.table("audit", *map(sa.column, (*_KEPT, "subject", "detail", "changes", "salt")))
    previous = GENESIS
    for number, (id, at, actor, action, subject, text) in enumerate((first, *map(tuple, earlier)), 1):
        salt = secrets.token_hex(16)
        digest = content_digest(salt, subject, text, "[]")
        previous = link(previous, number, id, at, actor, action, digest)
        row = {"number": number, "id": id, "at": at, "actor": actor, "action": action, "subject": subject}
        row |= {"detail": text, "changes": "[]", "salt": salt, "digest": digest, "hash": previous}
        connection.execute(sa.insert(audit).values(row))
    seal = sa.table("seal", sa.column("name"), sa.column("sha256"))
    connection.execute(sa.insert(seal).values(name="audit", sha256=f"{len(earlier) + 1}:{previous}"))


def _make_erasable_only() -> None:
    """Let the database refuse every change of an entry, but for erasing what it says."""
    changed = " OR ".join(f"NEW.{column} <> OLD.{column}" for column in _KEPT)
    erased = "NEW.subject = '' AND NEW.detail = '' AND NEW.changes = '' AND NEW.salt = ''"
    only_erased = f"WHEN ({changed} OR NOT ({erased}))"
    for event, condition in (("UPDATE", only_erased), ("DELETE", "")):
        if op.get_context().dialect.name == "postgresql":
            refusal = f"FOR EACH ROW {condition} EXECUTE FUNCTION farebox_append_only()"
        else:
            refusal = f"{condition} BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END"
        op.execute(sa.text(f"CREATE TRIGGER audit_no_{event.lower()} BEFORE {event} ON audit {refusal}"))
