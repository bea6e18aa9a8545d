"""Invoices, credit notes and the numbers of both."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from farebox.control.append_only import make_append_only

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "number_series",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("last_number", sa.Integer, nullable=False),
    )
    op.create_table(
        "invoice",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("customer", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("from_ns", sa.BigInteger, nullable=False),
        sa.Column("until_ns", sa.BigInteger, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("series", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("as_of_seq", sa.BigInteger, nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
        sa.UniqueConstraint("series", "number", name="invoice_number"),
        sa.UniqueConstraint("customer", "kind", "from_ns", "until_ns", "attempt", name="invoice_period"),
        sa.CheckConstraint("kind IN ('period', 'progressive')", name="invoice_kind"),
    )
    op.create_table(
        "invoice_void",
        sa.Column("invoice", sa.Text, sa.ForeignKey("invoice.id"), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "invoice_draft",
        sa.Column("customer", sa.Text, primary_key=True),
        sa.Column("from_ns", sa.BigInteger, primary_key=True),
        sa.Column("until_ns", sa.BigInteger, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "credit_note",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("invoice", sa.Text, sa.ForeignKey("invoice.id"), nullable=False),
        sa.Column("customer", sa.Text, nullable=False),
        sa.Column("series", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.UniqueConstraint("series", "number", name="credit_note_number"),
    )
    op.create_index("credit_note_invoice", "credit_note", ["invoice"])
    make_append_only("invoice", "invoice_void", "credit_note")
