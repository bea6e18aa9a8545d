"""Check the journal: every transaction balances, the chain is whole, and no grant paid more than it had."""

from __future__ import annotations

from collections import defaultdict

import msgspec
from sqlalchemy import Connection, func, select

from farebox.billing.journal.chain import FIRST, hash_of
from farebox.billing.journal.entries import Account, Transaction, totals
from farebox.billing.journal.transactions import all_transactions
from farebox.control.schema import journal_entry, journal_transaction, wallet_grant
from farebox.control.seal import journal_holds

WALLET_ACCOUNTS: tuple[Account, ...] = ("wallet_liability", "wallet_promo")
FAULTS_MAX = 20


class Verification(msgspec.Struct, kw_only=True):
    """What a check of the journal found. Faults are sentences; there are none where it holds."""

    transactions: int
    entries: int
    head: str
    """The last transaction's hash, hexadecimal."""
    totals: dict[str, int]
    """The sum of all entries by currency, in minor units: zero."""
    faults: list[str]

    @property
    def holds(self) -> bool:
        return not self.faults


def verify(connection: Connection) -> Verification:
    """Walk the whole journal; after `FAULTS_MAX` faults it stops counting them."""
    found = Verification(transactions=0, entries=0, head=FIRST, totals={}, faults=[])
    granted = _grants(connection)
    left: dict[str, int] = defaultdict(int)
    for each in all_transactions(connection):
        found.transactions += 1
        found.entries += len(each.entries)
        found.faults += _faults(each, found)
        for currency, amount in totals(each.entries).items():
            found.totals[currency] = found.totals.get(currency, 0) + amount
        for leg in each.entries:
            if leg.grant and leg.party and leg.account in WALLET_ACCOUNTS:
                left[leg.grant] -= leg.amount_minor
                if left[leg.grant] < 0:
                    found.faults.append(f"transaction {each.number} takes more from a grant than it has")
        if each.kind == "wallet.grant" and granted.pop(each.reference, None) != each.detail:
            found.faults.append(f"the grant {each.reference} is not as transaction {each.number} says")
        found.head = each.hash
        del found.faults[FAULTS_MAX:]
    found.faults += [f"the grant {each} is in no transaction" for each in granted]
    found.faults += _strays(connection, found)
    if not journal_holds(connection):
        found.faults.append("the journal does not end where it was sealed")
    del found.faults[FAULTS_MAX:]
    return found


def _faults(said: Transaction, before: Verification) -> list[str]:
    faults: list[str] = []
    if said.number != before.transactions:
        faults.append(f"transaction {before.transactions} is missing: {said.number} comes next")
        before.transactions = said.number
    if said.prev_hash != before.head:
        faults.append(f"transaction {said.number} does not follow the one before it")
    digest = hash_of(
        said.prev_hash,
        number=said.number,
        key=said.key,
        kind=said.kind,
        reference=said.reference,
        at=said.at,
        actor=said.actor,
        detail=said.detail_json,
        entries=said.entries,
    )
    if digest != said.hash:
        faults.append(f"transaction {said.number} is not as it was posted")
    if any(totals(said.entries).values()):
        faults.append(f"the entries of transaction {said.number} do not add up to zero")
    return faults


def _strays(connection: Connection, found: Verification) -> list[str]:
    """Return what the walk did not come across: transactions without entries, entries without one."""
    counted = select(func.count()).select_from(journal_transaction)
    entries = select(func.count()).select_from(journal_entry)
    faults: list[str] = []
    if connection.execute(counted).scalar_one() != found.transactions:
        faults.append("there are transactions without entries")
    if connection.execute(entries).scalar_one() != found.entries:
        faults.append("there are entries without a transaction")
    return faults


def terms(row: object) -> dict[str, object]:
    """Return what a row of `wallet_grant` says, as its transaction's detail has it."""
    return {name: getattr(row, name) for name in _TERMS}


_TERMS = (
    *("customer", "kind", "amount_minor", "priority", "effective_at", "expires_at"),
    *("charges", "meters", "note", "created_at"),
)


def _grants(connection: Connection) -> dict[str, dict[str, object]]:
    return {row.id: terms(row) for row in connection.execute(select(wallet_grant))}
