"""Exports of usage: how far each follows the record, what was made of it, and what its receiver has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("outbox_delivery", sa.Column("unsure_at", sa.BigInteger))
    op.create_table(
        "usage_progress",
        sa.Column("export", sa.Text, primary_key=True),
        sa.Column("began_after", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "usage_event",
        sa.Column("export", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("customer", sa.Text, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("first_seq", sa.BigInteger, nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("message", sa.Text),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("answered_at", sa.BigInteger),
        sa.Column("words", sa.Text),
        sa.CheckConstraint(
            "state IN ('held', 'waiting', 'taken', 'duplicate', 'refused', 'in_doubt')",
            name="usage_event_state",
        ),
    )
    op.create_index("usage_event_state", "usage_event", ["export", "state", "customer"])
    op.create_table(
        "usage_day",
        sa.Column("export", sa.Text, primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True),
        sa.Column("customer", sa.Text, primary_key=True),
        sa.Column("quantity", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
    )
