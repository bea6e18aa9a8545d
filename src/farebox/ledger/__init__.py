"""The record: rate, append, correct, verify. See README.md here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.home import Home
    from farebox.ledger.proof.verification import Report

__all__ = ["catch_up", "verify"]


def catch_up(home: Home, config: Config) -> int:
    """Apply what the journals hold and return how many records that were.

    Does nothing where a ledger process runs, which applies them itself.
    """
    from farebox.ledger.ledger_process import catch_up

    return catch_up(home, config)


def verify(home: Home, checkpoint: str | None = None) -> Report:
    """Recompute every row's hash and every position; say what is wrong first.

    Raises:
        UsageError: `checkpoint` is not one.
    """
    from farebox.ledger.proof.verification import verify

    return verify(home, checkpoint)
