"""The journal of money: balanced, once for each key, chained, never changed."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from farebox.billing.journal.entries import AMOUNT_MAX, Account, Entry, checked, merged, totals
from farebox.billing.journal.posting import post
from farebox.billing.journal.transactions import all_transactions, balances, newest
from farebox.billing.journal.verification import verify
from farebox.control.database import open_control
from farebox.control.publish import change
from farebox.errors import BookkeepingError, ControlDamagedError
from farebox.home import Home


def leg(account: Account, amount: int, currency: str = "USD", party: str = "acme") -> Entry:
    return Entry(account=account, amount_minor=amount, currency=currency, party=party)


SALE = (leg("customer_receivable", 11900), leg("revenue", -10000), leg("tax_payable", -1900))


def posted(connection: Connection, key: str, *entries: Entry) -> Any:
    said = {"key": key, "kind": "test", "reference": key, "at_ns": 7, "actor": "uid:1"}
    return post(connection, entries or SALE, **said)  # pyright: ignore[reportArgumentType]


def verified(home: Home) -> list[str]:
    with open_control(home).reading() as connection:
        return verify(connection).faults


def test_what_is_posted_is_read_again_and_balances(home: Home) -> None:
    with change(home) as connection:
        first = posted(connection, "a")
        second = posted(connection, "b", leg("revenue", 5), leg("customer_receivable", -5))
    with open_control(home).reading() as connection:
        assert list(all_transactions(connection)) == [first, second]
        assert newest(connection, accounts=["tax_payable"]) == [first]
        assert [each.number for each in newest(connection, party="acme")] == [2, 1]
        found = {each.account: each.amount_minor for each in balances(connection)}
        assert found == {"customer_receivable": 11895, "revenue": -9995, "tax_payable": -1900}
        assert sum(found.values()) == 0
        assert verify(connection).holds and verify(connection).head == second.hash


def test_entries_that_do_not_add_up_to_zero_in_each_currency_are_refused(home: Home) -> None:
    for wrong in (
        (leg("revenue", -1), leg("customer_receivable", 2)),
        (leg("revenue", -1, "EUR"), leg("customer_receivable", 1)),
        (leg("revenue", 0),),
        (leg("revenue", -AMOUNT_MAX - 1), leg("customer_receivable", AMOUNT_MAX + 1)),
    ):
        with pytest.raises(BookkeepingError), change(home) as connection:
            posted(connection, "a", *wrong)
    with open_control(home).reading() as connection:
        assert list(all_transactions(connection)) == []


def test_posting_again_under_a_key_is_the_same_transaction_or_is_refused(home: Home) -> None:
    with change(home) as connection:
        assert posted(connection, "a") == posted(connection, "a")
    with pytest.raises(BookkeepingError, match="something else"), change(home) as connection:
        posted(connection, "a", leg("revenue", -1), leg("customer_receivable", 1))
    with open_control(home).reading() as connection:
        assert len(list(all_transactions(connection))) == 1


def test_the_database_refuses_to_change_or_remove_what_was_posted(home: Home) -> None:
    with change(home) as connection:
        posted(connection, "a")
    for statement in (
        "DELETE FROM journal_transaction",
        "DELETE FROM journal_entry",
        "UPDATE journal_transaction SET at = 0",
        "UPDATE journal_entry SET amount_minor = 0",
    ):
        with (
            sqlite3.connect(home.control) as raw,
            pytest.raises(sqlite3.IntegrityError, match="append-only"),
        ):
            raw.execute(statement)
        raw.close()
    with pytest.raises(IntegrityError), change(home) as connection:
        connection.exec_driver_sql("DELETE FROM journal_entry")
    assert verified(home) == []


TAMPERINGS = {
    "an amount": ("UPDATE journal_entry SET amount_minor = amount_minor + 1 WHERE position = 0", "as it was"),
    "a party": ("UPDATE journal_entry SET party = 'evil'", "is not as it was posted"),
    "a moment": ("UPDATE journal_transaction SET at = 8 WHERE number = 2", "is not as it was posted"),
    "a detail": ("UPDATE journal_transaction SET detail = '{ }' WHERE number = 1", "is not as it was posted"),
    "a whole one": ("DELETE FROM journal_entry WHERE number = 2", "transaction 2 is missing"),
    "the end": ("DELETE FROM journal_entry WHERE number = 3", "without entries"),
    "an extra leg": (
        "INSERT INTO journal_entry VALUES (1, 9, 'revenue', '', '', 'USD', 5)",
        "do not add up to zero",
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_verify_finds_what_was_changed_behind_its_back(home: Home, what: str) -> None:
    with change(home) as connection:
        for key in "abc":
            posted(connection, key)
    statement, fault = TAMPERINGS[what]
    tampered(home, statement)
    assert any(fault in each for each in verified(home)), verified(home)


def test_an_end_that_was_cut_off_is_damage(home: Home) -> None:
    with change(home) as connection:
        for key in "abc":
            posted(connection, key)
    tampered(home, "DELETE FROM journal_entry WHERE number = 3")
    tampered(home, "DELETE FROM journal_transaction WHERE number = 3")
    with pytest.raises(ControlDamagedError, match="do not match their checksum"):
        open_control(home)


def tampered(home: Home, statement: str) -> None:
    """Change rows as somebody who owns the file can: without its triggers."""
    with sqlite3.connect(home.control) as raw:
        triggers = raw.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            raw.execute(f"DROP TRIGGER {name}")
        raw.execute(statement)
        for _, sql in triggers:
            raw.execute(sql)
    raw.close()


ENTRIES = st.lists(
    st.builds(
        leg,
        st.sampled_from(["revenue", "customer_receivable", "breakage"]),
        st.integers(-(10**12), 10**12),
        st.sampled_from(["USD", "EUR", "JPY"]),
        st.sampled_from(["acme", "umbrella", ""]),
    ),
    max_size=12,
)


@given(ENTRIES)
def test_invariant_3_a_transaction_is_accepted_exactly_when_each_currency_adds_up_to_zero(
    entries: list[Entry],
) -> None:
    balanced = any(each.amount_minor for each in entries) and not any(totals(entries).values())
    if balanced:
        assert totals(checked(entries)) == totals(entries)
    else:
        with pytest.raises(BookkeepingError):
            checked(entries)
    closing = [leg("revenue", -amount, currency) for currency, amount in totals(entries).items()]
    whole = [*entries, *closing]
    if any(each.amount_minor for each in whole):
        assert not any(totals(checked(whole)).values())
    assert totals(merged(whole)) == {} or not any(totals(merged(whole)).values())
