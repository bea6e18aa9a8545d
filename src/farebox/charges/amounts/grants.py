"""Prepaid and promotional grants: in which order a wallet burns them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from farebox.charges.rounding import Amount

PRIORITY = 50
"""Of a grant that states none; lower numbers burn first."""


class GrantBalance(msgspec.Struct, frozen=True, kw_only=True):
    """What a grant can pay at one moment. Grants are listed in the order they were created."""

    id: str
    balance: Amount
    priority: int = PRIORITY
    expires_at: str | int | None = None
    """Anything that sorts by time, the same kind for all; None never expires and burns last."""
    usable: bool = True
    """False: not in force yet, expired, voided, or not for this charge."""


class Burn(msgspec.Struct, frozen=True, kw_only=True):
    """What each grant pays, and what is left to pay."""

    taken: tuple[tuple[str, Fraction], ...]
    """Grant and amount, in the order they burn; those that pay nothing are left out."""
    balances: tuple[tuple[str, Fraction], ...]
    """What every grant has afterwards, usable or not, in the order given."""
    overage: Fraction


def burn_order(grants: Sequence[GrantBalance]) -> list[GrantBalance]:
    """Return the usable grants by priority, then soonest expiry, then creation."""
    usable = [grant for grant in grants if grant.usable and grant.balance > 0]
    never = [grant for grant in usable if grant.expires_at is None]
    ending = sorted((g for g in usable if g.expires_at is not None), key=_expiry)
    return sorted(ending + never, key=lambda grant: grant.priority)


def burn(grants: Sequence[GrantBalance], amount: Amount) -> Burn:
    """Return how grants pay an amount; no balance goes below zero."""
    left = max(Fraction(amount), Fraction(0))
    taken: list[tuple[str, Fraction]] = []
    for grant in burn_order(grants):
        if not left:
            break
        part = min(Fraction(grant.balance), left)
        taken.append((grant.id, part))
        left -= part
    paid = dict(taken)
    balances = tuple((grant.id, Fraction(grant.balance) - paid.get(grant.id, 0)) for grant in grants)
    return Burn(taken=tuple(taken), balances=balances, overage=left)


def _expiry(grant: GrantBalance) -> str | int:
    return "" if grant.expires_at is None else grant.expires_at
