"""Change wallets for commands and the API alike: one transaction each, with its entry in the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from farebox.billing.known_customers import customer_named
from farebox.billing.wallets import moves
from farebox.billing.wallets.balance import Balance, balance
from farebox.billing.wallets.grant import Grant, Kind
from farebox.billing.written_amounts import amount_of, minor_of
from farebox.charges.amounts.grants import PRIORITY
from farebox.control import audit
from farebox.control.publish import change
from farebox.errors import UsageError
from farebox.home import Home
from farebox.time_expressions import moment_of

if TYPE_CHECKING:
    from farebox.control.database import ControlDatabase

REASON_MAX = 200


class GrantRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for, in the words of commands and the API."""

    customer: str
    amount: str
    """Decimal text in the customer's currency."""
    kind: Kind = "paid"
    priority: int = PRIORITY
    effective: str | None = None
    """A moment as `2026-11-01` in the customer's time zone; None: now."""
    expires: str | None = None
    charges: tuple[str, ...] = ()
    meters: tuple[str, ...] = ()
    note: str = ""
    key: str | None = None
    """A grant with a key that was used before is the one that it made."""


def grant(
    home: Home, asked: GrantRequest, actor: str, now_ns: int, database: ControlDatabase | None = None
) -> Grant:
    """Put money into a customer's wallet.

    Raises:
        UsageError: The customer is not known, or the grant makes no sense.
        BookkeepingError: Its key was used for another one.
        ControlError: It cannot be written.
    """
    customer = customer_named(home, asked.customer)
    at = _moments(asked, customer.timezone, now_ns)
    with change(home, database) as connection:
        made = moves.grant(
            connection,
            customer.id,
            customer.currency,
            minor_of(asked.amount, customer.currency),
            at_ns=now_ns,
            actor=actor,
            kind=asked.kind,
            priority=asked.priority,
            effective_at=at[0],
            expires_at=at[1],
            charges=asked.charges,
            meters=asked.meters,
            note=asked.note,
            key=asked.key,
        )
        if made.created_at == now_ns:
            detail = {"grant": made.id, "amount": asked.amount, "kind": made.kind}
            audit.note(connection, now_ns, actor, "wallet.grant", customer.id, detail)
    return made


def void_grant(
    home: Home,
    prefix: str,
    reason: str,
    actor: str,
    now_ns: int,
    database: ControlDatabase | None = None,
) -> tuple[Grant, int]:
    """Take back what is left of a grant; return it with how much that was, in minor units.

    Raises:
        UsageError: There is no such grant, nothing is left of it, or the reason is too long.
        ControlError: It cannot be written.
    """
    _check_reason(reason)
    with change(home, database) as connection:
        found = moves.void(connection, prefix, reason, at_ns=now_ns, actor=actor)
        detail = {"grant": found.grant.id, "amount_minor": found.left_minor, "reason": reason}
        audit.note(connection, now_ns, actor, "wallet.void", found.grant.customer, detail)
    return found.grant, found.left_minor


def expire_due(
    home: Home, actor: str, now_ns: int, database: ControlDatabase | None = None
) -> list[tuple[Grant, int]]:
    """Post the expiry of every grant whose time is over; return each with what expired of it.

    Raises:
        ControlError: It cannot be written.
    """
    with change(home, database) as connection:
        return moves.expire(connection, at_ns=now_ns, actor=actor)


class LimitsRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a wallet is to behave, in decimal text; what is not named stays as it was, "none" takes away."""

    customer: str
    overdraft: str | None = None
    low: str | None = None
    top_up: str | None = None


def set_limits(
    home: Home, asked: LimitsRequest, actor: str, now_ns: int, database: ControlDatabase | None = None
) -> Balance:
    """Say how far below zero a wallet may go, when it is low, and how much is asked for then.

    Raises:
        UsageError: The customer is not known, or an amount is none.
        ControlError: It cannot be written.
    """
    customer = customer_named(home, asked.customer)
    with change(home, database) as connection:
        before = balance(connection, customer.id, now_ns)

        def said(text: str | None, was: int | None) -> int | None:
            if text is None:
                return was
            return None if text.strip().lower() == "none" else minor_of(text, customer.currency)

        overdraft = said(asked.overdraft, before.overdraft_minor if before else 0) or 0
        low = said(asked.low, before.low_minor if before else None)
        top_up = said(asked.top_up, before.top_up_minor if before else None)
        moves.set_limits(
            connection,
            customer.id,
            customer.currency,
            at_ns=now_ns,
            overdraft_minor=overdraft,
            low_minor=low,
            top_up_minor=top_up,
        )
        detail = {
            "overdraft": amount_of(overdraft, customer.currency),
            "low": None if low is None else amount_of(low, customer.currency),
            "top_up": None if top_up is None else amount_of(top_up, customer.currency),
        }
        audit.note(connection, now_ns, actor, "wallet.limits", customer.id, detail)
        found = balance(connection, customer.id, now_ns)
    assert found is not None  # noqa: S101 - it was just written
    return found


def _moments(asked: GrantRequest, timezone: str, now_ns: int) -> tuple[int | None, int | None]:
    effective = None if asked.effective is None else moment_of(asked.effective, timezone, now_ns)
    expires = None if asked.expires is None else moment_of(asked.expires, timezone, now_ns)
    return effective, expires


def _check_reason(reason: str) -> None:
    if len(reason) > REASON_MAX:
        raise UsageError(f"a reason has at most {REASON_MAX} characters")
