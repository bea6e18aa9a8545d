"""A grant: a block of prepaid or promotional money, what it may pay, and when."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from farebox.charges.amounts.grants import PRIORITY, GrantBalance, burn_order

PRIORITY_MAX = 100
"""From 0, which is used first."""

Kind = Literal["paid", "promotional"]


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Its terms never change. Moments are nanoseconds since 1970, the end excluded."""

    id: str
    customer: str
    kind: Kind
    amount_minor: int
    priority: int = PRIORITY
    effective_at: int
    expires_at: int | None = None
    charges: tuple[str, ...] = ()
    """Names of the charges whose lines it may pay, `*` matches anything; none means all. A line that is of no
    charge goes by its kind: `base`, `add_on`."""
    meters: tuple[str, ...] = ()
    note: str = ""
    created_at: int

    @property
    def account(self) -> Literal["wallet_liability", "wallet_promo"]:
        return "wallet_liability" if self.kind == "paid" else "wallet_promo"

    @property
    def is_scoped(self) -> bool:
        return bool(self.charges or self.meters)

    def is_in_force(self, at_ns: int) -> bool:
        return self.effective_at <= at_ns and (self.expires_at is None or at_ns < self.expires_at)

    def may_pay(self, charge: str, meter: str) -> bool:
        """Return whether a line of this charge and meter is in its scope."""
        by_charge = not self.charges or any(fnmatchcase(charge, each) for each in self.charges)
        return by_charge and (not self.meters or meter in self.meters)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A grant and what is left of it, in minor units."""

    grant: Grant
    left_minor: int
    expired_minor: int
    """What expired unused; it may still pay the invoice of a period at whose end it was in force."""

    def usable_minor(self, at_ns: int, period_end_ns: int) -> int:
        """Return what it can pay of an invoice of a period that ended before `period_end_ns`, at a moment."""
        if self.grant.is_in_force(period_end_ns - 1):
            return self.left_minor + self.expired_minor
        return self.left_minor if self.grant.is_in_force(at_ns) else 0


def in_burn_order(standings: Sequence[Standing]) -> list[Standing]:
    """Return priority ascending, then what expires first, then what was granted first."""
    by_creation = sorted(standings, key=lambda each: (each.grant.created_at, each.grant.id))
    by_id = {each.grant.id: each for each in by_creation}
    order = burn_order(
        [
            GrantBalance(
                id=each.grant.id,
                balance=1,  # what is used up is listed, too
                priority=each.grant.priority,
                expires_at=each.grant.expires_at,
            )
            for each in by_creation
        ]
    )
    return [by_id[each.id] for each in order]
