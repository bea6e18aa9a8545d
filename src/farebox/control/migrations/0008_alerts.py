"""Alerts that commands and the API set, their state, and what they had to say."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "alert_snooze",
        sa.Column("alert", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "alert_state",
        sa.Column("alert", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("threshold", sa.BigInteger, primary_key=True),
        sa.Column("window_start", sa.BigInteger, primary_key=True),
        sa.Column("definition_key", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.CheckConstraint("state IN ('firing', 'recovered')", name="alert_state_state"),
    )
    op.create_table(
        "alert_event",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("alert", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("channels_told", sa.Text, nullable=False),
        sa.CheckConstraint("state IN ('firing', 'recovered')", name="alert_event_state"),
    )
    op.create_index("alert_event_at", "alert_event", ["at"])
    op.create_index("alert_event_alert", "alert_event", ["alert", "at"])
    op.create_table(
        "alert_held",
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("event", sa.Text, primary_key=True),
        sa.Column("due_at", sa.BigInteger, nullable=False),
    )
    op.create_index("alert_held_due", "alert_held", ["due_at"])
    op.create_table(
        "alert_progress",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.CheckConstraint("id = 1", name="alert_progress_id"),
    )
