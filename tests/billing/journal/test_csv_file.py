"""The journal as bookkeeping imports it: every entry once, debits equal credits, nothing is a formula."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

from sqlalchemy import Connection

from farebox.billing.journal.csv_file import write_journal
from farebox.billing.journal.entries import Account, Entry
from farebox.billing.journal.posting import post
from farebox.billing.journal.transactions import posted as transactions
from farebox.control.database import open_control
from farebox.control.publish import change
from farebox.home import Home


def leg(account: Account, amount: int, currency: str = "USD", party: str = "acme") -> Entry:
    return Entry(account=account, amount_minor=amount, currency=currency, party=party)


SALE = (leg("customer_receivable", 11900), leg("revenue", -10000), leg("tax_payable", -1900))


def posted(connection: Connection, key: str, *entries: Entry) -> None:
    post(connection, entries or SALE, key=key, kind="test", reference=key, at_ns=7, actor="uid:1")


def written(
    home: Home, from_ns: int | None = None, until_ns: int | None = None, **which: str
) -> list[dict[str, str]]:
    out = io.StringIO()
    with open_control(home).reading() as connection:
        write_journal(transactions(connection, from_ns, until_ns, **which), out)
    return list(csv.DictReader(io.StringIO(out.getvalue())))


def test_debits_and_credits_of_each_transaction_are_equal_and_amounts_are_plain(home: Home) -> None:
    with change(home) as connection:
        posted(connection, "invoice:1")
        yen = leg("customer_receivable", 500, "JPY", "=cmd()"), leg("revenue", -500, "JPY", "=cmd()")
        posted(connection, "invoice:2", *yen)
    rows = written(home)
    assert [(row["account"], row["debit"], row["credit"]) for row in rows] == [
        ("customer_receivable", "119.00", ""),
        ("revenue", "", "100.00"),
        ("tax_payable", "", "19.00"),
        ("customer_receivable", "500", ""),
        ("revenue", "", "500"),
    ]
    for number in ("1", "2"):
        of = [row for row in rows if row["transaction"] == number]
        assert sum(Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0) for row in of) == 0
    assert rows[3]["party"] == "'=cmd()"
    assert len(rows[0]["hash"]) == 64 and rows[0]["date"] == "1970-01-01"


def test_a_span_and_a_party_choose_whole_transactions(home: Home) -> None:
    with change(home) as connection:
        posted(connection, "invoice:1")
        posted(
            connection, "invoice:2", leg("customer_receivable", 1, party="beta"), leg("revenue", -1, party="")
        )
    assert len(written(home, 7, 8)) == 5
    assert written(home, 8) == written(home, None, 7) == []
    assert [row["party"] for row in written(home, party="beta")] == ["beta", ""]
