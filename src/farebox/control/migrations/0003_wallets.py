"""The journal of money, wallets, payees, coupons and add-ons."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from farebox.control.append_only import make_append_only

revision = "0003"
down_revision = "0002"

_ACCOUNTS = (
    "'customer_receivable', 'revenue', 'wallet_liability', 'wallet_promo', 'breakage', 'provider_cost', "
    "'cogs_accrued', 'tax_payable', 'partner_payable'"
)


def upgrade() -> None:
    op.create_table(
        "journal_transaction",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("prev_hash", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_index("journal_transaction_reference", "journal_transaction", ["reference"])
    op.create_table(
        "journal_entry",
        sa.Column("number", sa.BigInteger, sa.ForeignKey("journal_transaction.number"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("party", sa.Text, nullable=False),
        sa.Column("wallet_grant", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.CheckConstraint(f"account IN ({_ACCOUNTS})", name="journal_entry_account"),
    )
    op.create_index("journal_entry_party", "journal_entry", ["party", "account"])
    op.create_index("journal_entry_grant", "journal_entry", ["wallet_grant"])
    op.create_table(
        "wallet",
        sa.Column("customer", sa.Text, primary_key=True),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("overdraft_minor", sa.BigInteger, nullable=False),
        sa.Column("low_minor", sa.BigInteger),
        sa.Column("top_up_minor", sa.BigInteger),
        sa.Column("low_since", sa.BigInteger),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "wallet_grant",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("customer", sa.Text, sa.ForeignKey("wallet.customer"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("effective_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("charges", sa.Text, nullable=False),
        sa.Column("meters", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.CheckConstraint("kind IN ('paid', 'promotional')", name="wallet_grant_kind"),
    )
    op.create_index("wallet_grant_customer", "wallet_grant", ["customer"])
    op.create_table(
        "payee",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "coupon",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("customer", sa.Text, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
    )
    op.create_index("coupon_customer", "coupon", ["customer"])
    op.create_table(
        "add_on",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("customer", sa.Text, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("invoices_max", sa.Integer),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
    )
    op.create_index("add_on_customer", "add_on", ["customer"])
    op.create_table(
        "invoice_use",
        sa.Column("used", sa.Text, primary_key=True),
        sa.Column("invoice", sa.Text, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    make_append_only("journal_transaction", "journal_entry", "wallet_grant")
