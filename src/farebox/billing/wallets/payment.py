"""Pay an invoice from a wallet, or give back what it paid, in the transaction that makes it final or void."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace
from sqlalchemy import Connection, select

from farebox.billing.documents.document import Credit, Invoice
from farebox.billing.journal.entries import Account, Entry
from farebox.billing.journal.posting import post
from farebox.billing.journal.transactions import by_key, of_reference
from farebox.billing.journal.verification import WALLET_ACCOUNTS
from farebox.billing.wallets.balance import overdrawn, standings
from farebox.billing.wallets.grant import Standing
from farebox.billing.wallets.low_balance import note_crossing
from farebox.billing.wallets.moves import expire, grant_anew, settle
from farebox.billing.wallets.portions import ChargeOf, Portion, portions, take
from farebox.clock import uuid7, uuid_text
from farebox.control.schema import wallet
from farebox.errors import UsageError


def pay(
    connection: Connection, invoice: Invoice, charge_of: ChargeOf, *, at_ns: int, actor: str
) -> tuple[Credit, ...]:
    """Pay as much of an invoice's total as the customer's wallet may, and return what it paid.

    A grant pays where it is in force now, or was at the end of the invoice's period: then also with what has
    expired since. Paying an invoice again returns what was paid.

    Raises:
        UsageError: The wallet is in another currency.
    """
    known = by_key(connection, f"pay:{invoice.id}")
    if known is not None:
        return tuple(Credit(**each) for each in known.detail["credits"])
    locked = select(wallet).where(wallet.c.customer == invoice.customer).with_for_update()
    row = connection.execute(locked).first()
    if row is None or invoice.total_minor <= 0:
        return ()
    if row.currency != invoice.currency:
        raise UsageError(f"the wallet of {invoice.customer} is in {row.currency}, not in {invoice.currency}")
    expire(connection, at_ns=at_ns, actor=actor, customer=invoice.customer)
    settle(connection, invoice.customer, at_ns, actor)
    due = portions(invoice, charge_of)
    used = _burn(due, standings(connection, invoice.customer), at_ns, invoice.until_ns)
    rest = sum(each.amount_minor for each in due)
    overdraft = min(rest, max(0, row.overdraft_minor - overdrawn(connection, invoice.customer)))
    if not used and not overdraft:
        return ()
    credits = _credits(used, overdraft)
    entries = [_moved(invoice, each.grant.account, amount, each.grant.id) for each, amount in used]
    if overdraft:
        entries.append(_moved(invoice, "wallet_liability", overdraft))
    _revive(connection, invoice, used, at_ns, actor)
    paid = sum(each.amount_minor for each in credits)
    post(
        connection,
        [*entries, _moved(invoice, "customer_receivable", -paid)],
        key=f"pay:{invoice.id}",
        kind="wallet.pay",
        reference=invoice.id,
        at_ns=at_ns,
        actor=actor,
        detail={"credits": [{"what": each.what, "amount_minor": each.amount_minor} for each in credits]},
    )
    note_crossing(connection, invoice.customer, at_ns)
    return credits


def expected(
    connection: Connection, invoices: Sequence[tuple[Invoice, ChargeOf]], *, at_ns: int
) -> list[tuple[Credit, ...]]:
    """Return what `pay` would pay now of a customer's invoices, one after the other; nothing is written."""
    customer = next((invoice.customer for invoice, _ in invoices), None)
    row = connection.execute(select(wallet).where(wallet.c.customer == customer)).first()
    if customer is None or row is None:
        return [() for _ in invoices]
    found = standings(connection, customer)
    room = max(0, row.overdraft_minor - overdrawn(connection, customer))
    paid: list[tuple[Credit, ...]] = []
    for invoice, charge_of in invoices:
        if row.currency != invoice.currency or invoice.total_minor <= 0:
            paid.append(())
            continue
        due = portions(invoice, charge_of)
        used = _burn(due, found, at_ns, invoice.until_ns)
        overdraft = min(sum(each.amount_minor for each in due), room)
        room -= overdraft
        taken = {standing.grant.id: amount for standing, amount in used}
        found = [_less(each, taken.get(each.grant.id, 0)) for each in found]
        paid.append(_credits(used, overdraft))
    return paid


def _less(standing: Standing, amount: int) -> Standing:
    """Return a grant of which an amount was paid with: of what is left first, then of what expired."""
    left = min(standing.left_minor, amount)
    return replace(
        standing,
        left_minor=standing.left_minor - left,
        expired_minor=standing.expired_minor - (amount - left),
    )


def _credits(used: Sequence[tuple[Standing, int]], overdraft: int) -> tuple[Credit, ...]:
    credits = [Credit(what=_named(each), amount_minor=amount) for each, amount in used]
    if overdraft:
        credits.append(Credit(what="Overdraft", amount_minor=overdraft))
    return tuple(credits)


def refund(
    connection: Connection, invoice: Invoice, amount_minor: int, *, key: str, at_ns: int, actor: str
) -> int:
    """Give back at most this much of what a wallet paid of an invoice; return how much it was.

    What was taken last comes back first, so prepaid money before promotional as a rule.
    """
    if by_key(connection, key) is not None:
        return -sum(
            each.amount_minor
            for each in _entries(connection, invoice, key)
            if each.account in WALLET_ACCOUNTS
        )
    taken: dict[tuple[Account, str], int] = {}
    for each in _entries(connection, invoice):
        if each.account in WALLET_ACCOUNTS and each.party:
            place = (each.account, each.grant)
            taken[place] = taken.get(place, 0) + each.amount_minor
    entries: list[Entry] = []
    left = amount_minor
    for (account, grant), amount in reversed(taken.items()):
        given = min(left, amount)
        if given > 0:
            entries.append(_moved(invoice, account, -given, grant))
            left -= given
    given_back = amount_minor - left
    if given_back > 0:
        post(
            connection,
            [*entries, _moved(invoice, "customer_receivable", given_back)],
            key=key,
            kind="wallet.refund",
            reference=invoice.id,
            at_ns=at_ns,
            actor=actor,
        )
        came_back(connection, invoice.customer, at_ns=at_ns, actor=actor)
    return given_back


def came_back(connection: Connection, customer: str, *, at_ns: int, actor: str) -> None:
    """After a refund: what came back to expired grants is granted anew where it was paid, and expires where
    it was promotional."""
    for each in standings(connection, customer):
        is_over = each.grant.expires_at is not None and each.grant.expires_at <= at_ns
        if is_over and each.left_minor > 0 and each.grant.kind == "paid":
            grant_anew(connection, each.grant, each.left_minor, at_ns=at_ns, actor=actor)
    expire(connection, at_ns=at_ns, actor=actor, customer=customer)
    note_crossing(connection, customer, at_ns)


def _burn(
    due: Sequence[Portion], found: Sequence[Standing], at_ns: int, period_end_ns: int
) -> list[tuple[Standing, int]]:
    """Take what the grants pay off the portions, and return it by grant.

    Of what a grant may pay it takes first what fewest of those after it may.
    """
    used: list[tuple[Standing, int]] = []
    able = [each for each in found if each.usable_minor(at_ns, period_end_ns) > 0]
    for turn, each in enumerate(able):
        places = [at for at, portion in enumerate(due) if each.grant.may_pay(portion.charge, portion.meter)]
        amount = min(each.usable_minor(at_ns, period_end_ns), sum(due[at].amount_minor for at in places))
        if amount > 0:
            later = [other.grant for other in able[turn + 1 :] if other.grant.is_scoped]
            rivals = {at: sum(g.may_pay(due[at].charge, due[at].meter) for g in later) for at in places}
            take(due, amount, sorted(places, key=lambda at: (rivals[at], at)))
            used.append((each, amount))
    return used


def _revive(
    connection: Connection,
    invoice: Invoice,
    used: Sequence[tuple[Standing, int]],
    at_ns: int,
    actor: str,
) -> None:
    """Take back the expiry of what pays after all."""
    entries: list[Entry] = []
    for standing, amount in used:
        revived = amount - standing.left_minor
        if revived > 0:
            gone: Account = "breakage" if standing.grant.kind == "paid" else "wallet_promo"
            entries.append(
                Entry(
                    account=gone,
                    grant=standing.grant.id,
                    currency=invoice.currency,
                    amount_minor=revived,
                )
            )
            entries.append(_moved(invoice, standing.grant.account, -revived, standing.grant.id))
    if entries:
        post(
            connection,
            entries,
            key=f"revive:{invoice.id}:{uuid_text(uuid7(at_ns))}",
            kind="wallet.revive",
            reference=invoice.id,
            at_ns=at_ns,
            actor=actor,
        )


def _entries(connection: Connection, invoice: Invoice, key: str | None = None) -> list[Entry]:
    """Return what payments and refunds of an invoice moved, in order."""
    return [
        entry
        for each in of_reference(connection, invoice.id)
        if each.kind in ("wallet.pay", "wallet.refund") and key in (None, each.key)
        for entry in each.entries
    ]


def _moved(invoice: Invoice, account: Account, amount_minor: int, grant: str = "") -> Entry:
    return Entry(
        account=account,
        party=invoice.customer,
        grant=grant,
        currency=invoice.currency,
        amount_minor=amount_minor,
    )


def _named(used: Standing) -> str:
    """Return what the invoice calls a payment."""
    what = "Prepaid credit" if used.grant.kind == "paid" else "Promotional credit"
    return f"{what}: {used.grant.note}" if used.grant.note else what
