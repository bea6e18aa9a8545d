"""Wallets: grants, the order in which they pay, expiry, voids, refunds, overdrafts."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, insert, select
from tests.billing.made_invoices import (
    DAY,
    END,
    LATER,
    NO_CHARGES,
    START,
    charge,
    charges,
    credit_note,
    invoice,
    line,
)

from farebox.billing.documents.document import Invoice
from farebox.billing.journal.transactions import balances
from farebox.billing.journal.verification import verify
from farebox.billing.settlement import credited, finalized, voided
from farebox.billing.wallets import moves
from farebox.billing.wallets.balance import Balance, balance
from farebox.billing.wallets.grant import Grant
from farebox.billing.wallets.payment import expected, pay
from farebox.control.database import open_control
from farebox.control.outbox.envelope import ReceiverSettings
from farebox.control.outbox.receivers import configure
from farebox.control.publish import change
from farebox.control.schema import outbox_message
from farebox.errors import BookkeepingError, UsageError
from farebox.home import Home

BY = "uid:1"


def granted(connection: Connection, amount: int, **more: Any) -> Grant:
    at = more.pop("at_ns", START)
    return moves.grant(connection, "acme", "USD", amount, at_ns=at, actor=BY, **more)


def standing(connection: Connection, at_ns: int = LATER) -> Balance:
    found = balance(connection, "acme", at_ns)
    assert found is not None
    return found


def left(connection: Connection) -> dict[str, int]:
    return {each.grant.note: each.left_minor for each in standing(connection).grants}


def settled(
    connection: Connection, said: Invoice, charge_of: Any = NO_CHARGES, at_ns: int = LATER
) -> Invoice:
    """Pay and post an invoice as it is made final, and return it as it is stored."""
    credits = pay(connection, said, charge_of, at_ns=at_ns, actor=BY)
    due = said.total_minor - sum(each.amount_minor for each in credits)
    stored = msgspec.structs.replace(said, credits=credits, due_minor=due)
    finalized(connection, stored, charge_of, at_ns=at_ns, actor=BY)
    return stored


@contextmanager
def posting(home: Home) -> Any:
    """Write, and check at the end that the journal holds."""
    with change(home) as connection:
        yield connection
        assert verify(connection).faults == []
    open_control(home)


def test_a_wallet_pays_the_total_tax_included_and_keeps_the_rest(home: Home) -> None:
    with posting(home) as connection:
        granted(connection, 20_000)
        said = settled(connection, invoice("1", line("1", 10_000, tax="19")))
        assert [(each.what, each.amount_minor) for each in said.credits] == [("Prepaid credit", 11_900)]
        assert said.due_minor == 0
        assert standing(connection).balance_minor == 8_100
        found = {each.account: each.amount_minor for each in balances(connection)}
        assert found == {
            "customer_receivable": 20_000,
            "revenue": -10_000,
            "tax_payable": -1_900,
            "wallet_liability": -8_100,
        }


def test_grants_pay_by_priority_then_expiry_then_age(home: Home) -> None:
    with posting(home) as connection:
        granted(connection, 100, note="old", at_ns=START)
        granted(connection, 100, note="new", at_ns=START + 1)
        granted(connection, 100, note="late expiry", expires_at=LATER + 90 * DAY, at_ns=START + 2)
        granted(connection, 100, note="soon expiry", expires_at=LATER + DAY, at_ns=START + 3)
        granted(connection, 100, note="first", priority=1, at_ns=START + 4)
        said = settled(connection, invoice("1", line("1", 350)))
        assert [each.what.partition(": ")[2] for each in said.credits] == [
            "first",
            "soon expiry",
            "late expiry",
            "old",
        ]
        assert left(connection)["old"] == 50 and left(connection)["new"] == 100


def test_the_vectors_for_burning_credits_hold_in_a_real_wallet(home: Home) -> None:
    """cr-om-3: two grants of 100 at priorities 1 and 2, and 120 used, leave 0 and 80."""
    with posting(home) as connection:
        granted(connection, 100, note="g2", priority=2)
        granted(connection, 100, note="g1", priority=1)
        settled(connection, invoice("1", line("1", 120)))
        assert left(connection) == {"g1": 0, "g2": 80}


def test_a_grant_that_is_not_effective_yet_pays_nothing(home: Home) -> None:
    with posting(home) as connection:
        granted(connection, 100, effective_at=LATER + DAY)
        assert settled(connection, invoice("1", line("1", 50))).due_minor == 50
        assert standing(connection).balance_minor == 100 and standing(connection).usable_minor == 0


def test_a_scope_limits_a_grant_to_lines_with_their_tax(home: Home) -> None:
    chat, images = charge("chat", "output_tokens"), charge("images", "calls")
    lines = (
        line("1", 1_000, charge="chat", tax="10"),
        line("2", 2_000, charge="images", tax="10"),
        line("3", 500, kind="base", tax="10"),
    )
    with posting(home) as connection:
        granted(connection, 5_000, charges=("cha*",), note="charge", kind="promotional")
        granted(connection, 5_000, meters=("calls",), note="meter")
        granted(connection, 5_000, charges=("base",), note="base")
        said = settled(connection, invoice("1", *lines), charges(chat, images))
        assert {each.what.partition(": ")[2]: each.amount_minor for each in said.credits} == {
            "charge": 1_100,
            "meter": 2_200,
            "base": 550,
        }


def test_a_grant_for_everything_leaves_to_a_scoped_one_what_only_that_may_pay(home: Home) -> None:
    with posting(home) as connection:
        granted(connection, 100, note="any", priority=1)
        granted(connection, 100, note="chat", priority=2, charges=("chat",))
        lines = (line("1", 100, charge="chat"), line("2", 100, charge="images"))
        said = settled(connection, invoice("1", *lines), charges(charge("chat"), charge("images")))
        assert said.due_minor == 0


def test_what_a_discount_of_the_invoice_takes_off_is_not_paid(home: Home) -> None:
    with posting(home) as connection:
        granted(connection, 5_000, charges=("chat",))
        lines = (line("1", 1_000, charge="chat"), line("2", 1_000), line("3", -500, kind="discount"))
        said = settled(connection, invoice("1", *lines), charges(charge("chat")))
        assert said.credits[0].amount_minor == 750


def test_an_invoice_of_zero_takes_nothing(home: Home) -> None:
    with posting(home) as connection:
        granted(connection, 100)
        assert pay(connection, invoice("1", line("1", 0)), NO_CHARGES, at_ns=LATER, actor=BY) == ()
        assert pay(connection, invoice("2"), NO_CHARGES, at_ns=LATER, actor=BY) == ()


def test_paying_again_is_the_same_payment(home: Home) -> None:
    with posting(home) as connection:
        granted(connection, 100)
        said = invoice("1", line("1", 60))
        first = pay(connection, said, NO_CHARGES, at_ns=LATER, actor=BY)
        assert pay(connection, said, NO_CHARGES, at_ns=LATER + 1, actor=BY) == first
        assert standing(connection).balance_minor == 40


def test_a_preview_says_what_would_be_paid_and_moves_nothing(home: Home) -> None:
    with posting(home) as connection:
        granted(connection, 100, expires_at=LATER + DAY)
        said = invoice("1", line("1", 60))
        (seen,) = expected(connection, [(said, NO_CHARGES)], at_ns=LATER)
        assert standing(connection).balance_minor == 100
        assert seen == pay(connection, said, NO_CHARGES, at_ns=LATER, actor=BY)


def test_expiry_is_a_transaction_of_its_own_and_breakage_of_paid_money(home: Home) -> None:
    with posting(home) as connection:
        granted(connection, 100, expires_at=START + DAY)
        granted(connection, 40, kind="promotional", expires_at=START + DAY)
        assert moves.expire(connection, at_ns=START + DAY - 1, actor=BY) == []
        expired = moves.expire(connection, at_ns=START + DAY, actor=BY)
        assert sorted(amount for _, amount in expired) == [40, 100]
        assert moves.expire(connection, at_ns=START + 2 * DAY, actor=BY) == []
        assert standing(connection).balance_minor == 0
        found = {each.account: each.amount_minor for each in balances(connection)}
        assert found["breakage"] == -100 and found["wallet_promo"] == 0


def test_a_grant_pays_the_period_at_whose_end_it_was_in_force_though_it_has_expired_since(home: Home) -> None:
    with posting(home) as connection:
        granted(connection, 100, expires_at=END + 1, note="to the end")
        granted(connection, 100, expires_at=END - 1, note="too early")
        moves.expire(connection, at_ns=END + DAY, actor=BY)
        said = settled(connection, invoice("1", line("1", 150)))
        assert [(each.what, each.amount_minor) for each in said.credits] == [
            ("Prepaid credit: to the end", 100)
        ]
        assert standing(connection).balance_minor == 0
        found = {each.account: each.amount_minor for each in balances(connection)}
        assert found["breakage"] == -100


def test_voiding_a_grant_takes_back_what_is_left_of_it(home: Home) -> None:
    with posting(home) as connection:
        made = granted(connection, 100)
        settled(connection, invoice("1", line("1", 30)))
        assert moves.void(connection, made.id, "a mistake", at_ns=LATER, actor=BY).left_minor == 70
        assert standing(connection).balance_minor == 0
        with pytest.raises(UsageError, match="nothing is left"):
            moves.void(connection, made.id, "again", at_ns=LATER, actor=BY)


def test_voiding_an_invoice_gives_everything_back_to_the_grants_it_came_from(home: Home) -> None:
    with posting(home) as connection:
        granted(connection, 100, note="paid")
        granted(connection, 50, note="promo", kind="promotional", priority=1)
        before = {each.account: each.amount_minor for each in balances(connection)}
        said = settled(connection, invoice("1", line("1", 120, tax="19")))
        assert said.due_minor == 0 and left(connection) == {"paid": 7, "promo": 0}
        voided(connection, said, at_ns=LATER, actor=BY, reason="wrong")
        assert left(connection) == {"paid": 100, "promo": 50}
        after = {each.account: each.amount_minor for each in balances(connection)}
        assert {name: amount for name, amount in after.items() if amount} == {
            name: amount for name, amount in before.items() if amount
        }
        voided(connection, said, at_ns=LATER + 1, actor=BY, reason="again")
        assert left(connection) == {"paid": 100, "promo": 50}


def test_what_comes_back_to_an_expired_grant_is_granted_anew_where_it_was_paid(home: Home) -> None:
    with posting(home) as connection:
        granted(connection, 100, note="paid", expires_at=LATER + DAY)
        granted(connection, 100, note="promo", kind="promotional", priority=1, expires_at=LATER + DAY)
        said = settled(connection, invoice("1", line("1", 150)))
        voided(connection, said, at_ns=LATER + 9 * DAY, actor=BY, reason="wrong")
        found = standing(connection, LATER + 9 * DAY)
        assert [(each.grant.note, each.left_minor) for each in found.grants if each.left_minor] == [
            ("paid", 100)
        ]
        assert found.usable_minor == 100, "the fresh grant does not expire"


def test_a_credit_note_first_lowers_what_was_due_then_goes_back_to_the_wallet(home: Home) -> None:
    with posting(home) as connection:
        granted(connection, 100)
        said = settled(connection, invoice("1", line("1", 150)))
        assert said.due_minor == 50
        amounts = []
        for name, amount in (("a", 20), ("b", 40), ("c", 90)):
            note = credit_note(name, said, **{"1": amount})
            amounts.append(credited(connection, said, note, NO_CHARGES, at_ns=LATER, actor=BY))
        assert amounts == [0, 10, 90]
        assert standing(connection).balance_minor == 100
        voided(connection, said, at_ns=LATER, actor=BY, reason="all the same")
        assert standing(connection).balance_minor == 100


def test_a_refund_takes_promotional_money_last(home: Home) -> None:
    with posting(home) as connection:
        granted(connection, 50, note="promo", kind="promotional", priority=1)
        granted(connection, 100, note="paid")
        said = settled(connection, invoice("1", line("1", 120)))
        credited(connection, said, credit_note("a", said, **{"1": 80}), NO_CHARGES, at_ns=LATER, actor=BY)
        assert left(connection) == {"promo": 10, "paid": 100}


def test_a_wallet_goes_below_zero_only_as_far_as_it_may(home: Home) -> None:
    with posting(home) as connection:
        granted(connection, 100)
        assert settled(connection, invoice("1", line("1", 130))).due_minor == 30
        assert standing(connection).balance_minor == 0
        limits = {"overdraft_minor": 50, "low_minor": None, "top_up_minor": None}
        moves.set_limits(connection, "acme", "USD", at_ns=LATER, **limits)
        said = settled(connection, invoice("2", line("1", 70)))
        assert [(each.what, each.amount_minor) for each in said.credits] == [("Overdraft", 50)]
        assert standing(connection).balance_minor == -50
        assert settled(connection, invoice("3", line("1", 70))).credits == ()
        granted(connection, 80, at_ns=LATER)
        assert standing(connection).balance_minor == 30 and standing(connection).overdrawn_minor == 0


def test_a_low_wallet_is_told_once_for_each_crossing(home: Home) -> None:
    with posting(home) as connection:
        hook = ReceiverSettings(url="https://example.com/hook", secret={"env": "S"})
        configure(connection, {"hook": hook}, START)
        granted(connection, 1_000)
        limits = {"overdraft_minor": 0, "low_minor": 500, "top_up_minor": 2_000}
        moves.set_limits(connection, "acme", "USD", at_ns=START, **limits)
        kinds = lambda: connection.scalars(select(outbox_message.c.kind)).all()  # noqa: E731
        settled(connection, invoice("1", line("1", 500)))
        assert kinds() == []
        settled(connection, invoice("2", line("1", 1)))
        settled(connection, invoice("3", line("1", 1)))
        assert sorted(kinds()) == ["wallet.low", "wallet.topup_requested"]
        granted(connection, 2_000, at_ns=LATER)
        settled(connection, invoice("4", line("1", 2_400)))
        assert sorted(kinds()) == ["wallet.low"] * 2 + ["wallet.topup_requested"] * 2
        asked = connection.execute(select(outbox_message).order_by(outbox_message.c.kind.desc())).first()
        said = msgspec.json.decode(asked.payload)["data"]
        assert (said["customer"], said["amount"], said["threshold"]) == ("acme", "20.00", "5.00")


def test_a_grant_with_a_key_is_made_once(home: Home) -> None:
    with posting(home) as connection:
        made = granted(connection, 100, key="order-7")
        assert granted(connection, 100, key="order-7", at_ns=START + 5) == made
        with pytest.raises(BookkeepingError, match="another grant"):
            granted(connection, 200, key="order-7")
        assert standing(connection).balance_minor == 100


def test_wrong_grants_are_refused(home: Home) -> None:
    with posting(home) as connection:
        granted(connection, 1)
        for amount, more in (
            (0, {}),
            (-5, {}),
            (10**16, {}),
            (1, {"priority": 101}),
            (1, {"priority": -1}),
            (1, {"expires_at": START}),
            (1, {"effective_at": LATER, "expires_at": LATER}),
            (1, {"note": "x" * 201}),
        ):
            with pytest.raises(UsageError):
                granted(connection, amount, **more)
        with pytest.raises(UsageError, match="in USD, not in EUR"):
            moves.grant(connection, "acme", "EUR", 5, at_ns=START, actor=BY)
        with pytest.raises(UsageError, match="in USD, not in EUR"):
            pay(connection, invoice("1", line("1", 5), currency="EUR"), NO_CHARGES, at_ns=LATER, actor=BY)
        assert standing(connection).balance_minor == 1


def test_verify_finds_a_grant_that_no_transaction_made(home: Home) -> None:
    with change(home) as connection:
        made = granted(connection, 100)
        from farebox.control.schema import wallet_grant

        row = connection.execute(select(wallet_grant)).mappings().one()
        connection.execute(insert(wallet_grant).values({**row, "id": "forged"}))
        assert verify(connection).faults == ["the grant forged is in no transaction"]
        assert made.id != "forged"


def test_what_is_carried_to_the_next_invoice_is_no_revenue_and_stays_the_customers(home: Home) -> None:
    with posting(home) as connection:
        granted(connection, 10_000)
        carried = line("2", 3_570, kind="carried")
        first = settled(connection, invoice("1", line("1", -3_000, kind="adjustment", tax="19"), carried))
        assert first.total_minor == 0 and first.credits == ()
        found = {each.account: each.amount_minor for each in balances(connection)}
        assert (found["revenue"], found["tax_payable"]) == (3_000, 570)
        assert found["customer_receivable"] == 10_000 - 3_570
        brought = line("2", -3_570, kind="carried")
        second = settled(connection, invoice("2", line("1", 10_000, tax="19"), brought))
        assert (second.total_minor, second.due_minor) == (8_330, 0)
        found = {each.account: each.amount_minor for each in balances(connection)}
        assert (found["revenue"], found["tax_payable"]) == (-7_000, -1_330)
        assert standing(connection).balance_minor == 1_670
        assert found["customer_receivable"] == 10_000
