"""The uses of coupons and add-ons are sealed: nothing in the tables changes, the seal is made anew."""

from __future__ import annotations

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Change nothing: whoever upgrades renews the seal."""
