"""Wallets, coupons, add-ons, payees and the journal of money as API v1 and `--json` show them.

Amounts are decimal text in the currency beside them, moments RFC 3339 in UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from farebox.clock import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from farebox.billing.customer_terms import Coupon, CustomerAddOn
    from farebox.billing.journal.entries import Account, Entry, Transaction
    from farebox.billing.journal.verification import Verification
    from farebox.billing.payees.statements import Statement
    from farebox.billing.wallets.balance import Balance
    from farebox.billing.wallets.grant import Grant, Standing

Text = str
"""Decimal text."""

TRANSACTIONS_SHOWN = 50


class GrantState(msgspec.Struct, kw_only=True):
    """A block of prepaid or promotional money."""

    id: str
    kind: str
    """`paid` or `promotional`."""
    state: str
    """`in force`, `later`, `expired` or `used up`."""
    amount: Text
    left: Text
    expired: Text
    """What expired unused."""
    priority: int
    effective_at: str
    expires_at: str | None
    charges: list[str]
    """What it may pay; nothing here and in `meters` means everything."""
    meters: list[str]
    note: str


class WalletState(msgspec.Struct, kw_only=True):
    """A customer's wallet."""

    customer: str
    currency: str
    balance: Text
    """The sum of all its transactions."""
    usable: Text
    """What is in force now, less what is overdrawn."""
    overdrawn: Text
    overdraft: Text
    """How far below zero it may go."""
    low: Text | None
    """Below it, `wallet.low` is sent."""
    top_up: Text | None
    """What `wallet.topup_requested` asks for then."""
    low_since: str | None
    grants: list[GrantState]
    """In the order in which they pay."""


class WalletMove(msgspec.Struct, kw_only=True):
    """A transaction of a wallet."""

    at: str
    kind: str
    """`grant`, `pay`, `refund`, `expire`, `revive`, `void`, `settle`, or `invoice.void`."""
    amount: Text
    """Above zero it came in, below it went out."""
    reference: str
    """The invoice or grant that it is about."""
    actor: str


class Wallets(msgspec.Struct, kw_only=True):
    """Every wallet, by customer."""

    wallets: list[WalletState]


class WalletShown(msgspec.Struct, kw_only=True):
    """One wallet and its newest transactions, the newest first."""

    wallet: WalletState
    transactions: list[WalletMove]


class ExpiredGrant(msgspec.Struct, kw_only=True):
    """A grant whose time was over, and what expired of it."""

    customer: str
    grant: str
    currency: str
    expired: Text


class ExpiredGrants(msgspec.Struct, kw_only=True):
    expired: list[ExpiredGrant]


class CouponState(msgspec.Struct, kw_only=True):
    """A discount of one customer."""

    id: str
    customer: str
    name: str
    percent: Text | None
    amount: Text | None
    charges: list[str]
    start: str | None
    until: str | None
    invoices: int | None
    """On how many invoices it is in all; null: on every one."""
    uses: int
    ended_at: str | None


class Coupons(msgspec.Struct, kw_only=True):
    coupons: list[CouponState]


class AddOnState(msgspec.Struct, kw_only=True):
    """A charge without usage for one customer."""

    id: str
    customer: str
    name: str
    amount: Text
    quantity: Text
    on: str | None
    """Its date; null: every period."""
    tax_percent: Text | None
    invoices: int | None
    uses: int
    ended_at: str | None


class AddOns(msgspec.Struct, kw_only=True):
    add_ons: list[AddOnState]


class PayeeState(msgspec.Struct, kw_only=True):
    """Somebody with shares of lines, and what is owed by currency."""

    id: str
    name: str
    email: str
    address: str
    owed: dict[str, Text]


class Payees(msgspec.Struct, kw_only=True):
    payees: list[PayeeState]


class StatementLineState(msgspec.Struct, kw_only=True):
    """What one line of a document brought a payee."""

    at: str
    document: str
    customer: str
    line: str
    title: str
    percent: Text
    line_amount: Text
    share: Text
    unpriced_calls: int
    """More than zero: the share is at least this; what is missing comes with an adjustment."""


class StatementState(msgspec.Struct, kw_only=True):
    """A payee's statement in one currency."""

    payee: str
    name: str
    currency: str
    since: str
    until: str
    opening: Text
    """What was owed before."""
    lines: list[StatementLineState]
    total: Text
    closing: Text
    unpriced_calls: int
    """More than zero: `total` and `closing` are at least what is here."""


class Statements(msgspec.Struct, kw_only=True):
    statements: list[StatementState]


class JournalLeg(msgspec.Struct, kw_only=True):
    """An entry: debits above zero, credits below."""

    account: str
    party: str
    grant: str
    currency: str
    amount: Text


class JournalTransaction(msgspec.Struct, kw_only=True):
    """A transaction, whose entries add up to zero."""

    number: int
    at: str
    kind: str
    reference: str
    actor: str
    entries: list[JournalLeg]
    hash: str


class AccountBalance(msgspec.Struct, kw_only=True):
    account: str
    currency: str
    balance: Text
    """Debits above zero."""


class Journal(msgspec.Struct, kw_only=True):
    """What every account comes to, and the newest transactions first."""

    accounts: list[AccountBalance]
    transactions: list[JournalTransaction]


class JournalVerification(msgspec.Struct, kw_only=True):
    """Whether the journal holds."""

    holds: bool
    transactions: int
    entries: int
    head: str
    """The last transaction's hash."""
    faults: list[str]


def wallets_view(connection: Connection, now_ns: int) -> Wallets:
    """Return every wallet."""
    from farebox.billing.wallets.balance import balances

    return Wallets(wallets=[wallet_view(each, now_ns) for each in balances(connection, now_ns)])


def shown_wallet_view(connection: Connection, customer: str, now_ns: int) -> WalletShown | None:
    """Return one wallet with its transactions, None where there is none."""
    from farebox.billing.journal.transactions import newest
    from farebox.billing.journal.verification import WALLET_ACCOUNTS
    from farebox.billing.wallets.balance import balance

    found = balance(connection, customer, now_ns)
    if found is None:
        return None
    moves = newest(connection, party=customer, accounts=WALLET_ACCOUNTS, limit=TRANSACTIONS_SHOWN)
    return WalletShown(
        wallet=wallet_view(found, now_ns), transactions=[_move(each, customer) for each in moves]
    )


def wallet_view(found: Balance, now_ns: int) -> WalletState:
    def text(minor: int) -> str:
        return _text(minor, found.currency)

    return WalletState(
        customer=found.customer,
        currency=found.currency,
        balance=text(found.balance_minor),
        usable=text(found.usable_minor),
        overdrawn=text(found.overdrawn_minor),
        overdraft=text(found.overdraft_minor),
        low=None if found.low_minor is None else text(found.low_minor),
        top_up=None if found.top_up_minor is None else text(found.top_up_minor),
        low_since=None if found.low_since is None else iso(found.low_since),
        grants=[_grant(each, found.currency, now_ns) for each in found.grants],
    )


def expired_view(connection: Connection, expired: Sequence[tuple[Grant, int]]) -> ExpiredGrants:
    from farebox.billing.wallets.balance import currency_of

    found: list[ExpiredGrant] = []
    for grant, amount in expired:
        currency = currency_of(connection, grant.customer)
        found.append(
            ExpiredGrant(
                customer=grant.customer, grant=grant.id, currency=currency, expired=_text(amount, currency)
            )
        )
    return ExpiredGrants(expired=found)


def coupon_view(said: Coupon) -> CouponState:
    discount = said.discount
    value = format(discount.value, "f")
    return CouponState(
        id=said.id,
        customer=said.customer,
        name=discount.name,
        percent=value if discount.kind == "percentage" else None,
        amount=value if discount.kind == "fixed" else None,
        charges=list(discount.charges),
        start=None if discount.start is None else discount.start.isoformat(),
        until=None if discount.until is None else discount.until.isoformat(),
        invoices=discount.invoices,
        uses=said.uses,
        ended_at=None if said.ended_at is None else iso(said.ended_at),
    )


def add_on_view(said: CustomerAddOn) -> AddOnState:
    return AddOnState(
        id=said.id,
        customer=said.customer,
        name=said.add_on.name,
        amount=format(said.add_on.amount, "f"),
        quantity=format(said.add_on.quantity, "f"),
        on=None if said.add_on.on is None else said.add_on.on.isoformat(),
        tax_percent=None if said.add_on.tax_percent is None else format(said.add_on.tax_percent, "f"),
        invoices=said.invoices_max,
        uses=said.uses,
        ended_at=None if said.ended_at is None else iso(said.ended_at),
    )


def payees_view(connection: Connection) -> Payees:
    from farebox.billing.payees.statements import owed, payees

    return Payees(
        payees=[
            PayeeState(
                id=each.id,
                name=each.name,
                email=each.email,
                address=each.address,
                owed={
                    currency: _text(minor, currency) for currency, minor in owed(connection, each.id).items()
                },
            )
            for each in payees(connection)
        ]
    )


def statement_view(said: Statement) -> StatementState:
    def text(minor: int) -> str:
        return _text(minor, said.currency)

    return StatementState(
        payee=said.payee.id,
        name=said.payee.name,
        currency=said.currency,
        since=iso(said.from_ns),
        until=iso(said.until_ns),
        opening=text(said.opening_minor),
        lines=[
            StatementLineState(
                at=line.at,
                document=line.document,
                customer=line.customer,
                line=line.line,
                title=line.title,
                percent=line.percent,
                line_amount=text(line.line_minor),
                share=text(line.share_minor),
                unpriced_calls=line.unpriced_calls,
            )
            for line in said.lines
        ],
        total=text(said.total_minor),
        closing=text(said.closing_minor),
        unpriced_calls=said.unpriced_calls,
    )


def journal_view(
    connection: Connection,
    *,
    party: str | None = None,
    accounts: Sequence[Account] = (),
    kind: str | None = None,
    limit: int = TRANSACTIONS_SHOWN,
    before: int | None = None,
) -> Journal:
    from farebox.billing.journal.transactions import balances, newest

    found = newest(connection, party=party, accounts=accounts, kind=kind, limit=limit, before=before)
    return Journal(
        accounts=[
            AccountBalance(
                account=each.account, currency=each.currency, balance=_text(each.amount_minor, each.currency)
            )
            for each in balances(connection, party=party)
        ],
        transactions=list(map(transaction_view, found)),
    )


def transaction_view(each: Transaction) -> JournalTransaction:
    return JournalTransaction(
        number=each.number,
        at=iso(each.at),
        kind=each.kind,
        reference=each.reference,
        actor=each.actor,
        entries=[_leg(leg) for leg in each.entries],
        hash=each.hash,
    )


def verification_view(found: Verification) -> JournalVerification:
    return JournalVerification(
        holds=found.holds,
        transactions=found.transactions,
        entries=found.entries,
        head=found.head,
        faults=found.faults,
    )


def _grant(each: Standing, currency: str, now_ns: int) -> GrantState:
    said = each.grant
    if said.expires_at is not None and said.expires_at <= now_ns:
        state = "expired"
    elif not each.left_minor:
        state = "used up"
    else:
        state = "in force" if said.is_in_force(now_ns) else "later"
    return GrantState(
        id=said.id,
        kind=said.kind,
        state=state,
        amount=_text(said.amount_minor, currency),
        left=_text(each.left_minor, currency),
        expired=_text(each.expired_minor, currency),
        priority=said.priority,
        effective_at=iso(said.effective_at),
        expires_at=None if said.expires_at is None else iso(said.expires_at),
        charges=list(said.charges),
        meters=list(said.meters),
        note=said.note,
    )


def _move(posted: Transaction, customer: str) -> WalletMove:
    from farebox.billing.journal.verification import WALLET_ACCOUNTS

    own = [leg for leg in posted.entries if leg.party == customer and leg.account in WALLET_ACCOUNTS]
    return WalletMove(
        at=iso(posted.at),
        kind=posted.kind.removeprefix("wallet."),
        amount=_text(-sum(leg.amount_minor for leg in own), own[0].currency),
        reference=posted.reference,
        actor=posted.actor,
    )


def _leg(leg: Entry) -> JournalLeg:
    return JournalLeg(
        account=leg.account,
        party=leg.party,
        grant=leg.grant,
        currency=leg.currency,
        amount=_text(leg.amount_minor, leg.currency),
    )


def _text(minor: int, currency: str) -> str:
    from farebox.billing.written_amounts import amount_of

    return amount_of(minor, currency)
