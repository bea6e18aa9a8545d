"""Tokens, names of keys, the outbox, the audit, the seal of names and tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "key_label",
        sa.Column("fingerprint", sa.Text, primary_key=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("binding", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.CheckConstraint("length(fingerprint) = 16", name="key_label_fingerprint"),
    )
    op.create_table(
        "token",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False, unique=True),
        sa.Column("binding", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("last_used_at", sa.BigInteger),
        sa.CheckConstraint("scope IN ('ingest', 'read', 'admin', 'client', 'portal')", name="token_scope"),
        sa.CheckConstraint("length(hash) = 64", name="token_hash"),
    )
    op.create_table(
        "outbox_receiver",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("configured", sa.Text),
        sa.Column("commanded", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("last_position", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.CheckConstraint("state IN ('active', 'stopped')", name="outbox_receiver_state"),
    )
    op.create_table(
        "outbox_message",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("dedupe_key", sa.Text, unique=True),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
    )
    op.create_table(
        "outbox_delivery",
        sa.Column("message", sa.Text, sa.ForeignKey("outbox_message.id"), primary_key=True),
        sa.Column("receiver", sa.Text, sa.ForeignKey("outbox_receiver.name"), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger),
        sa.Column("delivered_at", sa.BigInteger),
        sa.Column("last_error", sa.Text),
        sa.UniqueConstraint("receiver", "position", name="outbox_delivery_position"),
        sa.CheckConstraint(
            "state IN ('pending', 'delivered', 'dead', 'cancelled')", name="outbox_delivery_state"
        ),
    )
    op.create_index("outbox_delivery_waiting", "outbox_delivery", ["state", "receiver", "position"])
    op.create_table(
        "audit",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("audit_subject", "audit", ["subject"])
    op.create_table(
        "seal",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("sha256", sa.Text, nullable=False),
    )
