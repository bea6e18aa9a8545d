"""What is left of a customer's limits and wallet, without what limits on cost would say of the cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farebox.billing.journal.transactions import newest
from farebox.billing.journal.verification import WALLET_ACCOUNTS
from farebox.billing.wallets.balance import balance
from farebox.billing.written_amounts import amount_of
from farebox.budgets.counters import Counters, account_of
from farebox.budgets.periods import window
from farebox.budgets.written_values import period_text
from farebox.clock import iso
from farebox.errors import CountersError
from farebox.money import usd_text
from farebox.server.portal.portal_views import PortalGrant, PortalLimit, PortalMove, PortalWallet

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farebox.billing.journal.entries import Transaction
    from farebox.billing.wallets.grant import Standing
    from farebox.budgets.budget import Budget
    from farebox.home import Home
    from farebox.snapshot import Snapshot

MOVES = 20
_CUSTOMER = "customer"


def limits_view(home: Home, published: Snapshot, customer: str, now_ns: int) -> list[PortalLimit]:
    """Return the limits that are this customer's alone: on the customer, or each customer's own."""
    own = [each for each in published.budgets if _is_of(each, customer)]
    if not own:
        return []
    try:
        counters = Counters(home)
    except (CountersError, OSError):
        return []
    try:
        return [_limit(each, customer, counters, now_ns) for each in own]
    finally:
        counters.close()


def wallet_view(connection: Connection, customer: str, now_ns: int) -> PortalWallet | None:
    """Return the customer's wallet; None without one. Notes and who acted stay with the seller."""
    found = balance(connection, customer, now_ns)
    if found is None:
        return None
    moves = newest(connection, party=customer, accounts=WALLET_ACCOUNTS, limit=MOVES)
    return PortalWallet(
        currency=found.currency,
        balance=amount_of(found.balance_minor, found.currency),
        usable=amount_of(found.usable_minor, found.currency),
        grants=[_grant(each, found.currency) for each in found.grants if each.left_minor],
        moves=[_move(each, customer) for each in moves],
    )


def _is_of(budget: Budget, customer: str) -> bool:
    of_customer = budget.where == {_CUSTOMER: (customer,)} and budget.each in (None, _CUSTOMER)
    return of_customer or (not budget.where and budget.each == _CUSTOMER)


def _limit(budget: Budget, customer: str, counters: Counters, now_ns: int) -> PortalLimit:
    value = customer if budget.each is not None else None
    figures = counters.figures(account_of(budget, value, now_ns), budget.limit_pico, now_ns)
    ends_ns = window(budget, now_ns).end_ns
    is_price = budget.measure == "price"
    return PortalLimit(
        period=period_text(budget.period),
        timezone=budget.timezone,
        resets_at=iso(ends_ns) if ends_ns and budget.period.kind != "rolling" else None,
        limit_usd=usd_text(budget.limit_pico) if is_price else None,
        spent_usd=usd_text(figures.spent) if is_price and figures.is_open else None,
        left_usd=usd_text(figures.left) if is_price and figures.is_open else None,
        is_used_up=figures.is_open and figures.left <= 0,
        is_hard=budget.mode == "hard",
    )


def _grant(each: Standing, currency: str) -> PortalGrant:
    said = each.grant
    return PortalGrant(
        kind=said.kind,
        left=amount_of(each.left_minor, currency),
        amount=amount_of(said.amount_minor, currency),
        expires_at=None if said.expires_at is None else iso(said.expires_at),
    )


def _move(posted: Transaction, customer: str) -> PortalMove:
    own = [leg for leg in posted.entries if leg.party == customer and leg.account in WALLET_ACCOUNTS]
    return PortalMove(
        at=iso(posted.at),
        kind=posted.kind.removeprefix("wallet."),
        amount=amount_of(-sum(leg.amount_minor for leg in own), own[0].currency),
        reference=posted.reference,
    )
