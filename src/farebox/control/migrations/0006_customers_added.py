"""When a customer was added: `pricing:` bills nobody for months before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("customer", sa.Column("added_at", sa.BigInteger))
    op.execute("UPDATE customer SET added_at = changed_at")
