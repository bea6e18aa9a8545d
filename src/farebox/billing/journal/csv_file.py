"""The journal as bookkeeping imports it: a line for each entry, debit and credit in columns of their own.

Amounts are plain decimals of the currency. Lines of one transaction have its number and add up to zero;
what is above zero in the journal is a debit."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import TextIO

from farebox.billing.journal.entries import Entry, Transaction
from farebox.billing.written_amounts import amount_of
from farebox.clock import iso
from farebox.spreadsheets import inert

COLUMNS = (
    *("transaction", "date", "kind", "reference", "line", "account", "party", "debit", "credit"),
    *("currency", "grant", "posted_at", "posted_by", "hash"),
)


def write_journal(transactions: Iterable[Transaction], out: TextIO) -> int:
    """Write transactions as RFC 4180 CSV with a header; return how many entries."""
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    written = 0
    for each in transactions:
        for number, entry in enumerate(each.entries, 1):
            writer.writerow(_cells(each, number, entry))
            written += 1
    return written


def _cells(of: Transaction, number: int, entry: Entry) -> list[str]:
    amount = amount_of(abs(entry.amount_minor), entry.currency)
    is_debit = entry.amount_minor > 0
    posted_at = iso(of.at)
    texts = (
        *(str(of.number), posted_at[:10], of.kind, of.reference, str(number), entry.account, entry.party),
        *(amount if is_debit else "", "" if is_debit else amount, entry.currency, entry.grant),
        *(posted_at, of.actor, of.hash),
    )
    return [inert(each.replace("\0", "\N{REPLACEMENT CHARACTER}")) for each in texts]
