"""Shares of payees: largest remainder, negative lines, credit notes in parts, voids, statements."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.billing.made_invoices import DAY, END, LATER, START, charge, charges, credit_note, invoice, line

from farebox.billing.journal.verification import verify
from farebox.billing.payees.shares import line_shares, split
from farebox.billing.payees.statement_files import statement_csv, statement_text
from farebox.billing.payees.statements import Payee, owed, payees, put, statements
from farebox.billing.settlement import credited, finalized, voided
from farebox.charges.plan import Share
from farebox.control.publish import change
from farebox.home import Home

CHARGES = charges(charge("chat", ada="33.3", bob="33.3"), charge("images", ada="10"), charge("own"))
BY = "uid:1"


def test_a_line_is_split_by_largest_remainder_and_the_rest_is_the_owners() -> None:
    said = invoice(
        "1", line("1", 100, charge="chat"), line("2", 55, charge="images"), line("3", 9, charge="own")
    )
    assert [(each.payee, each.line, each.share_minor) for each in line_shares(said, CHARGES)] == [
        ("ada", "1", 33),
        ("bob", "1", 33),
        ("ada", "2", 6),
    ]


PERCENTS = st.lists(st.decimals(0, 33, places=2), min_size=1, max_size=3)


@given(st.integers(-(10**12), 10**12), PERCENTS)
def test_invariant_3_shares_and_the_owners_rest_add_up_to_the_line(
    amount: int, percents: list[Decimal]
) -> None:
    shares = [Share(payee=str(at), percent=percent) for at, percent in enumerate(percents)]
    parts = split(amount, shares)
    rest = amount - sum(parts)
    exact = [amount * percent / 100 for percent in percents]
    assert all(abs(part - share) <= 1 for part, share in zip(parts, exact, strict=True))
    assert rest == 0 or (rest < 0) == (amount < 0)
    assert [-part for part in parts] == split(-amount, shares), "a reversal is the same, negated"


@given(st.lists(st.integers(1, 500), min_size=1, max_size=6), PERCENTS)
def test_a_line_credited_in_parts_takes_back_exactly_its_shares(
    parts: list[int], percents: list[Decimal]
) -> None:
    shares = [Share(payee=str(at), percent=percent) for at, percent in enumerate(percents)]
    taken, before = [0] * len(shares), 0
    for part in parts:
        old, new = split(before, shares), split(before + part, shares)
        taken = [so_far + b - a for so_far, a, b in zip(taken, old, new, strict=True)]
        before += part
    assert taken == split(sum(parts), shares)


def test_shares_of_an_invoice_its_credit_notes_and_its_void_leave_nothing_owed(home: Home) -> None:
    said = invoice("1", line("1", 1_000, charge="chat", tax="19"), line("2", -100, charge="images"))
    with change(home) as connection:
        finalized(connection, said, CHARGES, at_ns=LATER, actor=BY)
        assert owed(connection, "ada") == {"USD": 323} and owed(connection, "bob") == {"USD": 333}
        for name, amount in (("a", 1), ("b", 1), ("c", 498)):
            note = credit_note(name, said, **{"1": amount})
            credited(connection, said, note, CHARGES, at_ns=LATER + 1, actor=BY)
        assert owed(connection, "bob") == {"USD": 333 - 166}
        voided(connection, said, at_ns=LATER + 2, actor=BY, reason="wrong")
        assert owed(connection, "ada") == {"USD": 0} and owed(connection, "bob") == {"USD": 0}
        assert verify(connection).faults == []


def test_a_statement_says_what_was_owed_what_came_and_what_is_owed(home: Home) -> None:
    first = invoice("1", line("1", 1_000, charge="chat"))
    second = invoice("2", line("1", 500, charge="chat"))
    third = invoice("3", line("1", 700, charge="images"), currency="EUR")
    with change(home) as connection:
        put(connection, Payee(id="ada", name="Ada L.", email="ada@example.com"), 1)
        finalized(connection, first, CHARGES, at_ns=LATER, actor=BY)
        finalized(connection, second, CHARGES, at_ns=END + 40 * DAY, actor=BY)
        finalized(connection, third, CHARGES, at_ns=END + 40 * DAY, actor=BY)
        voided(connection, first, at_ns=END + 41 * DAY, actor=BY, reason="wrong")
        ada, bob = payees(connection)
        assert ada.name == "Ada L." and bob == Payee(id="bob")
        (november,) = statements(connection, ada, START, END + 31 * DAY)
        assert (november.opening_minor, november.total_minor, november.closing_minor) == (0, 333, 333)
        assert [(each.document, each.percent, each.line_minor) for each in november.lines] == [
            ("INV-1", "33.3", 1_000)
        ]
        euros, dollars = statements(connection, ada, END + 31 * DAY, END + 62 * DAY)
        assert (euros.currency, euros.closing_minor) == ("EUR", 70)
        assert (dollars.opening_minor, dollars.closing_minor) == (333, 167)
        assert [(each.title, each.share_minor) for each in dollars.lines] == [
            ("chat", 167),
            ("Void of INV-1", -333),
        ]
        assert statements(connection, ada, END + 99 * DAY, END + 130 * DAY)[0].opening_minor == 70


def test_a_statement_of_a_line_with_unpriced_calls_says_at_least(home: Home) -> None:
    known = replace(line("2", 500, charge="images"), title="images")
    said = invoice("1", replace(line("1", 1_000, charge="chat"), unpriced_calls=2), known)
    with change(home) as connection:
        finalized(connection, said, CHARGES, at_ns=LATER, actor=BY)
        (found,) = statements(connection, Payee(id="ada"), START, END + 31 * DAY)
    assert [each.unpriced_calls for each in found.lines] == [2, 0] and found.unpriced_calls == 2
    shown = [row.split("INV-1")[-1].strip() for row in statement_text(found).splitlines()]
    assert [row for row in shown if "≥" in row] == [
        "chat    33.3 % of ≥ 10.00 USD  ≥ 3.33 USD",
        "This period: ≥ 3.83 USD",
        "Owed now: ≥ 3.83 USD",
        "2 calls have no price yet: ≥ is at least.",
    ]
    assert [row.rpartition(",")[2] for row in statement_csv([found]).split()][-2:] == ["2", "0"]
