"""Fill and empty wallets: grant, void what is left, let expire, settle what is overdrawn.

Each runs in the caller's writing transaction, and leaves its transactions in the journal.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, insert, select, update

from farebox.billing.documents.amounts import amount_shown
from farebox.billing.journal.entries import AMOUNT_MAX, Account, Entry
from farebox.billing.journal.posting import post
from farebox.billing.journal.transactions import by_key
from farebox.billing.journal.verification import terms
from farebox.billing.wallets.balance import currency_of, overdrawn, standings
from farebox.billing.wallets.balance import grant as stored
from farebox.billing.wallets.grant import PRIORITY_MAX, Grant, Kind, Standing
from farebox.billing.wallets.low_balance import note_crossing
from farebox.charges.amounts.grants import PRIORITY
from farebox.charges.currencies import exponent_of
from farebox.clock import uuid7, uuid_text
from farebox.control.schema import wallet, wallet_grant
from farebox.errors import UsageError

NOTE_MAX = 200
CUSTOMER_MAX = 256


def open_wallet(connection: Connection, customer: str, currency: str, at_ns: int) -> str:
    """Make sure that a customer has a wallet, and lock it; return its currency.

    Raises:
        UsageError: It is in another currency.
    """
    locked = select(wallet.c.currency).where(wallet.c.customer == customer).with_for_update()
    found = connection.execute(locked).scalar()
    if found is None:
        if not 0 < len(customer) <= CUSTOMER_MAX:
            raise UsageError(f"a customer's name has 1 to {CUSTOMER_MAX} characters")
        values = {"customer": customer, "currency": currency, "overdraft_minor": 0, "changed_at": at_ns}
        connection.execute(insert(wallet).values(values))
        return currency
    if found != currency:
        raise UsageError(f"the wallet of {customer} is in {found}, not in {currency}")
    return found


def grant(
    connection: Connection,
    customer: str,
    currency: str,
    amount_minor: int,
    *,
    at_ns: int,
    actor: str,
    kind: Kind = "paid",
    priority: int = PRIORITY,
    effective_at: int | None = None,
    expires_at: int | None = None,
    charges: tuple[str, ...] = (),
    meters: tuple[str, ...] = (),
    note: str = "",
    key: str | None = None,
) -> Grant:
    """Put money into a wallet; with a `key` that was used before, return the grant that it made.

    Raises:
        UsageError: The amount, priority or dates make no sense, or the wallet is in another currency.
        BookkeepingError: The key was used for another grant.
    """
    open_wallet(connection, customer, currency, at_ns)
    made = Grant(
        id=uuid_text(uuid7(at_ns)),
        customer=customer,
        kind=kind,
        amount_minor=amount_minor,
        priority=priority,
        effective_at=at_ns if effective_at is None else effective_at,
        expires_at=expires_at,
        charges=charges,
        meters=meters,
        note=note,
        created_at=at_ns,
    )
    posted_as = f"grant:{made.id}" if key is None else f"grant:{customer}:{key}"
    before = None if key is None else by_key(connection, posted_as)
    if before is not None:
        return _same(stored(connection, before.reference), made)
    _check(made, at_ns)
    contra = (
        Entry(account="customer_receivable", party=customer, currency=currency, amount_minor=amount_minor)
        if kind == "paid"
        else Entry(account="wallet_promo", currency=currency, amount_minor=amount_minor)
    )
    _put(connection, made, currency, contra, key=posted_as, actor=actor)
    settle(connection, customer, at_ns, actor)
    note_crossing(connection, customer, at_ns)
    return made


def void(connection: Connection, prefix: str, reason: str, *, at_ns: int, actor: str) -> Standing:
    """Take back what is left of a grant, and return what that was.

    Raises:
        UsageError: There is no such grant, or nothing is left of it.
    """
    found = stored(connection, prefix)
    currency = currency_of(connection, found.customer)
    standing = next(each for each in standings(connection, found.customer) if each.grant.id == found.id)
    if standing.left_minor <= 0:
        raise UsageError(f"nothing is left of the grant {found.id}")
    account: Account = "customer_receivable" if found.kind == "paid" else "wallet_promo"
    party = found.customer if found.kind == "paid" else ""
    post(
        connection,
        [
            _out_of(found, currency, standing.left_minor),
            Entry(account=account, party=party, currency=currency, amount_minor=-standing.left_minor),
        ],
        key=f"void:{found.id}:{uuid_text(uuid7(at_ns))}",
        kind="wallet.void",
        reference=found.id,
        at_ns=at_ns,
        actor=actor,
        detail={"reason": reason},
    )
    note_crossing(connection, found.customer, at_ns)
    return standing


def expire(
    connection: Connection, *, at_ns: int, actor: str, customer: str | None = None
) -> list[tuple[Grant, int]]:
    """Post the expiry of every grant whose time is over; return each with what expired of it."""
    due = select(wallet_grant.c.customer).where(wallet_grant.c.expires_at <= at_ns).distinct()
    if customer is not None:
        due = due.where(wallet_grant.c.customer == customer)
    expired: list[tuple[Grant, int]] = []
    for name in connection.scalars(due.order_by(wallet_grant.c.customer)).all():
        currency = currency_of(connection, name)
        over = [
            each
            for each in standings(connection, name)
            if each.left_minor > 0 and each.grant.expires_at is not None and each.grant.expires_at <= at_ns
        ]
        for each in over:
            _expire(connection, each, currency, at_ns, actor)
            expired.append((each.grant, each.left_minor))
        if over:
            note_crossing(connection, name, at_ns)
    return expired


def expires_between(connection: Connection, after_ns: int, at_ns: int) -> bool:
    """Return whether the time of a grant was over after one moment and by another one."""
    ended = (wallet_grant.c.expires_at > after_ns) & (wallet_grant.c.expires_at <= at_ns)
    return connection.execute(select(wallet_grant.c.id).where(ended).limit(1)).first() is not None


def settle(connection: Connection, customer: str, at_ns: int, actor: str) -> None:
    """Use grants that may pay anything for what the wallet is below zero."""
    below = overdrawn(connection, customer)
    if not below:
        return
    currency = currency_of(connection, customer)
    entries: list[Entry] = []
    for each in standings(connection, customer):
        taken = min(below, each.left_minor)
        if taken > 0 and each.grant.is_in_force(at_ns) and not each.grant.is_scoped:
            below -= taken
            entries.append(_out_of(each.grant, currency, taken))
            entries.append(
                Entry(account="wallet_liability", party=customer, currency=currency, amount_minor=-taken)
            )
    if entries:
        post(
            connection,
            entries,
            key=f"settle:{uuid_text(uuid7(at_ns))}",
            kind="wallet.settle",
            reference=customer,
            at_ns=at_ns,
            actor=actor,
        )


def grant_anew(connection: Connection, old: Grant, amount_minor: int, *, at_ns: int, actor: str) -> Grant:
    """Move paid money that came back to an expired grant into a new one, which does not expire."""
    currency = currency_of(connection, old.customer)
    made = msgspec.structs.replace(
        old,
        id=uuid_text(uuid7(at_ns)),
        amount_minor=amount_minor,
        effective_at=at_ns,
        expires_at=None,
        created_at=at_ns,
    )
    _put(
        connection, made, currency, _out_of(old, currency, amount_minor), key=f"grant:{made.id}", actor=actor
    )
    return made


def set_limits(
    connection: Connection,
    customer: str,
    currency: str,
    *,
    at_ns: int,
    overdraft_minor: int,
    low_minor: int | None,
    top_up_minor: int | None,
) -> None:
    """Say how far below zero a wallet may go, below what it is low, and what is asked for then.

    Raises:
        UsageError: An amount is below zero, or too large.
    """
    open_wallet(connection, customer, currency, at_ns)
    for amount in (overdraft_minor, low_minor or 0, top_up_minor or 0):
        if not 0 <= amount <= AMOUNT_MAX:
            most = amount_shown(AMOUNT_MAX, exponent_of(currency))
            raise UsageError(f"an amount is zero or more, and at most {most} {currency}")
    values = {"overdraft_minor": overdraft_minor, "low_minor": low_minor, "top_up_minor": top_up_minor}
    this = update(wallet).where(wallet.c.customer == customer)
    connection.execute(this.values(changed_at=at_ns, **values))
    note_crossing(connection, customer, at_ns)


def _put(connection: Connection, made: Grant, currency: str, contra: Entry, *, key: str, actor: str) -> None:
    values = msgspec.structs.asdict(made)
    values["charges"] = msgspec.json.encode(made.charges).decode()
    values["meters"] = msgspec.json.encode(made.meters).decode()
    connection.execute(insert(wallet_grant).values(values))
    row = connection.execute(select(wallet_grant).where(wallet_grant.c.id == made.id)).one()
    post(
        connection,
        [
            contra,
            Entry(
                account=made.account,
                party=made.customer,
                grant=made.id,
                currency=currency,
                amount_minor=-made.amount_minor,
            ),
        ],
        key=key,
        kind="wallet.grant",
        reference=made.id,
        at_ns=made.created_at,
        actor=actor,
        detail=terms(row),
    )


def _expire(connection: Connection, standing: Standing, currency: str, at_ns: int, actor: str) -> None:
    gone = standing.grant
    account: Account = "breakage" if gone.kind == "paid" else "wallet_promo"
    post(
        connection,
        [
            _out_of(gone, currency, standing.left_minor),
            Entry(account=account, grant=gone.id, currency=currency, amount_minor=-standing.left_minor),
        ],
        key=f"expire:{gone.id}:{uuid_text(uuid7(at_ns))}",
        kind="wallet.expire",
        reference=gone.id,
        at_ns=at_ns,
        actor=actor,
        detail={"expires_at": gone.expires_at},
    )


def _out_of(grant: Grant, currency: str, amount_minor: int) -> Entry:
    return Entry(
        account=grant.account,
        party=grant.customer,
        grant=grant.id,
        currency=currency,
        amount_minor=amount_minor,
    )


def _same(before: Grant, again: Grant) -> Grant:
    """Return the grant that a key made; what is asked for again has to be the same."""
    from farebox.errors import BookkeepingError

    same = ("customer", "kind", "amount_minor", "priority", "expires_at", "charges", "meters", "note")
    if any(getattr(before, name) != getattr(again, name) for name in same):
        raise BookkeepingError(f"this key made another grant: {before.id}")
    return before


def _check(made: Grant, at_ns: int) -> None:
    if not 0 < made.amount_minor <= AMOUNT_MAX:  # what is larger is refused where it is read
        raise UsageError("the amount of a grant is more than zero")
    if not 0 <= made.priority <= PRIORITY_MAX:
        raise UsageError(f"a priority is from 0 to {PRIORITY_MAX}; 0 is used first")
    if made.expires_at is not None and made.expires_at <= max(at_ns, made.effective_at):
        raise UsageError("a grant expires after it is effective, and not in the past")
    if len(made.note) > NOTE_MAX:
        raise UsageError(f"a note has at most {NOTE_MAX} characters")
