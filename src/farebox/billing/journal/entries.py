"""Entries and transactions of the journal: amounts are integers of the currency's minor unit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from farebox.errors import BookkeepingError

Account = Literal[
    "customer_receivable",
    "revenue",
    "wallet_liability",
    "wallet_promo",
    "breakage",
    "provider_cost",
    "cogs_accrued",
    "tax_payable",
    "partner_payable",
]

AMOUNT_MAX = 10**15
"""In minor units: sums of a thousand such entries fit into 64 bits."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One leg of a transaction: debits are above zero, credits below."""

    account: Account
    amount_minor: int
    currency: str
    party: str = ""
    grant: str = ""

    def reversed(self) -> Entry:
        """Return the entry that takes this one back."""
        return msgspec.structs.replace(self, amount_minor=-self.amount_minor)


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """Entries that add up to zero. `at` is in nanoseconds since 1970, hashes are hexadecimal."""

    number: int
    key: str
    kind: str
    reference: str
    at: int
    actor: str
    detail_json: str
    entries: tuple[Entry, ...]
    prev_hash: str
    hash: str

    @property
    def detail(self) -> dict[str, Any]:
        """What else there is to say: the grant's terms, whose shares, the reason."""
        return msgspec.json.decode(self.detail_json)


def checked(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the entries of one transaction without those of zero.

    Raises:
        BookkeepingError: They do not add up to zero in each currency, there are none, or one is too large.
    """
    kept = tuple(each for each in entries if each.amount_minor)
    if not kept:
        raise BookkeepingError("a transaction has entries, and none of them is zero")
    if any(abs(each.amount_minor) > AMOUNT_MAX for each in kept):
        raise BookkeepingError(f"an amount is at most {AMOUNT_MAX:,} in minor units")
    for currency, total in totals(kept).items():
        if total:
            raise BookkeepingError(f"the entries of a transaction add up to {total} {currency}, not to zero")
    return kept


def totals(entries: Iterable[Entry]) -> Mapping[str, int]:
    """Return the sum of the entries of each currency."""
    found: dict[str, int] = defaultdict(int)
    for each in entries:
        found[each.currency] += each.amount_minor
    return found


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """Return one entry for each account, party, grant and currency, in the order they come first."""
    sums: dict[tuple[Account, str, str, str], int] = defaultdict(int)
    for each in entries:
        sums[each.account, each.party, each.grant, each.currency] += each.amount_minor
    return [
        Entry(account=account, party=party, grant=grant, currency=currency, amount_minor=amount)
        for (account, party, grant, currency), amount in sums.items()
        if amount
    ]
