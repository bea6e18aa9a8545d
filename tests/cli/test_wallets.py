"""`farebox wallets`, `coupons`, `add-ons`, `payees` and `journal`."""

from __future__ import annotations

import json
import sqlite3
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.billing.made_invoices import charge, charges, invoice, line

from farebox.billing import known_customers
from farebox.billing.settlement import finalized
from farebox.charges.models import Standard
from farebox.charges.plan import Charge, Customer, Plan, Subscription
from farebox.cli import coupons, money_journal, payees
from farebox.cli.options import Place
from farebox.cli.wallets.wallet_list import list_wallets, show
from farebox.cli.wallets.wallet_moves import expire, grant, limits, void
from farebox.control.database import open_control
from farebox.control.publish import change
from farebox.control.schema import audit
from farebox.errors import BookkeepingError, UsageError
from farebox.home import Home
from farebox.snapshot import Snapshot
from farebox.time_expressions import day_start, zone_named

NEW_YORK = "America/New_York"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    known = (
        Customer(id="acme", currency="USD", timezone=NEW_YORK, tax_percent=Decimal(19)),
        Customer(id="yamada", currency="JPY"),
        Customer(id="al-sabah", currency="KWD"),
    )
    monkeypatch.setattr(known_customers, "read_snapshot", lambda _: Snapshot(customers=known))


@pytest.fixture
def home() -> Home:
    return Place().state()


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_grant_is_made_listed_shown_and_voided(capsys: pytest.CaptureFixture[str], home: Home) -> None:
    assert grant("acme", "100.00", note="Order 7", expires="2030-03-10", charge=["GPT*"], priority=10) == 0
    assert "Granted 100.00 USD to acme (paid)" in capsys.readouterr().out
    list_wallets(as_json=True)
    (wallet,) = said(capsys)["wallets"]
    assert (wallet["customer"], wallet["balance"], wallet["usable"]) == ("acme", "100.00", "100.00")
    (granted,) = wallet["grants"]
    assert granted["expires_at"] == "2030-03-10T05:00:00.000000Z", "midnight in the customer's zone"
    assert granted["charges"] == ["GPT*"] and granted["priority"] == 10
    show("acme")
    shown = capsys.readouterr().out
    assert "Order 7" in shown and "GPT*" in shown and "in force" in shown
    with pytest.raises(UsageError, match="nothing was voided"):
        void(granted["id"])
    assert void(granted["id"], reason="a mistake", yes=True) == 0
    assert "0.00 USD" in capsys.readouterr().out
    show("acme", as_json=True)
    assert [(each["kind"], each["amount"]) for each in said(capsys)["transactions"]] == [
        ("void", "-100.00"),
        ("grant", "100.00"),
    ]
    with open_control(home).reading() as connection:
        actions = [row.action for row in connection.execute(audit.select().order_by(audit.c.id))]
    assert actions == ["wallet.grant", "wallet.void"]


@pytest.mark.parametrize(
    ("customer", "amount", "kept"),
    [
        ("acme", "0.01", "0.01"),
        ("yamada", "5000", "5000"),
        ("al-sabah", "1.234", "1.234"),
        ("acme", " 7 ", "7.00"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(
    customer: str, amount: str, kept: str, capsys: pytest.CaptureFixture[str]
) -> None:
    grant(customer, amount, as_json=True)
    assert said(capsys)["wallet"]["balance"] == kept


@pytest.mark.parametrize(
    ("customer", "amount", "why"),
    [
        ("acme", "0.005", "more decimals than USD"),
        ("yamada", "0.5", "more decimals than JPY"),
        ("acme", "lots", "no amount"),
        ("acme", "NaN", "no amount"),
        ("acme", "1e99", "too large"),
        ("acme", "1e9999999", "too large"),
        ("acme", "-5", "more than zero"),
        ("acme", "0", "more than zero"),
        ("acem", "5", "acme"),
    ],
)
def test_a_wrong_grant_is_refused_and_says_why(customer: str, amount: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        grant(customer, amount)


def test_a_grant_with_a_key_is_made_once(capsys: pytest.CaptureFixture[str]) -> None:
    grant("acme", "5", key="order-7", as_json=True)
    first = said(capsys)
    grant("acme", "5", key="order-7", as_json=True)
    second = said(capsys)
    assert first["grant"]["id"] == second["grant"]["id"] and second["wallet"]["balance"] == "5.00"
    with pytest.raises(BookkeepingError):
        grant("acme", "6", key="order-7")


def test_limits_are_set_kept_and_taken_away(capsys: pytest.CaptureFixture[str]) -> None:
    limits("acme", overdraft="10", low="50", top_up="200")
    assert "it may go 10.00 below zero; low below 50.00, then 200.00 is asked for" in capsys.readouterr().out
    limits("acme", low="none", as_json=True)
    wallet = said(capsys)["wallet"]
    assert (wallet["overdraft"], wallet["low"], wallet["top_up"]) == ("10.00", None, "200.00")


def test_expiry_is_posted_on_demand(capsys: pytest.CaptureFixture[str], home: Home) -> None:
    from farebox.billing.wallets import moves

    with change(home) as connection:
        moves.grant(connection, "acme", "USD", 500, at_ns=1, actor="", expires_at=1_000)
    expire()
    assert "acme: 5.00 USD" in capsys.readouterr().out
    expire()
    assert "No grant has expired." in capsys.readouterr().out


def test_an_add_on_that_its_currency_cannot_pay_is_refused() -> None:
    with pytest.raises(UsageError, match="has more decimals than JPY, which has 0"):
        coupons.give_add_on("yamada", "Setup", "250.50")


@pytest.mark.parametrize(
    ("moment", "state"), [("2026-11-01T03:59", "planned"), ("2026-11-01T04:01", "in force")]
)
def test_a_coupon_is_in_force_from_its_day_in_the_customers_own_zone_on(
    moment: str, state: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = int(datetime.fromisoformat(f"{moment}+00:00").timestamp()) * 10**9
    monkeypatch.setattr(coupons, "now_ns", lambda: now)
    coupons.give("acme", "LAUNCH", percent="10", start="2026-11-01")
    assert state in capsys.readouterr().out  # midnight in New York is 04:00 UTC


def test_coupons_and_add_ons_are_given_listed_and_ended(capsys: pytest.CaptureFixture[str]) -> None:
    coupons.give("acme", "LAUNCH", percent="12.5", start="2026-11-01", invoices=3, as_json=True)
    (made,) = said(capsys)["coupons"]
    assert (made["percent"], made["amount"], made["invoices"]) == ("12.5", None, 3)
    coupons.give_add_on("acme", "Setup", "250.00", on="2026-12-01", as_json=True)
    (extra,) = said(capsys)["add_ons"]
    assert (extra["amount"], extra["on"], extra["invoices"]) == ("250.00", "2026-12-01", 1)
    coupons.list_coupons()
    coupons.list_add_ons()
    listed = capsys.readouterr().out
    assert "12.5 %" in listed and "0 of 3" in listed and "Setup" in listed
    with pytest.raises(UsageError, match="no add-on has"):
        coupons.end_add_on(made["id"])
    coupons.end(made["id"])
    coupons.end_add_on(extra["id"])
    capsys.readouterr()
    coupons.list_coupons(as_json=True)
    assert said(capsys)["coupons"][0]["ended_at"] is not None
    coupons.list_coupons(customer="yamada", as_json=True)
    assert said(capsys)["coupons"] == []


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "a percentage or an amount"),
        ({"percent": "5", "amount": "5"}, "a percentage or an amount"),
        ({"percent": "five"}, "no number"),
        ({"amount": "0.001"}, "more decimals"),
        ({"percent": "5", "start": "soon"}, "no day|not a day"),
    ],
)
def test_a_wrong_coupon_is_refused(given: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        coupons.give("acme", "X", **given)  # pyright: ignore[reportArgumentType]


def test_a_coupon_names_charges_of_the_customers_plans(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan(
        name="pro",
        version=1,
        charges=(Charge(name="GPT output", meter="calls", model=Standard(unit=Decimal(1))),),
    )
    known = Snapshot(
        customers=(Customer(id="acme"), Customer(id="globex")),
        plans=(plan,),
        subscriptions=(
            Subscription(id="s", customer="acme", plan="pro", version=1, start=date(2026, 11, 1)),
        ),
    )
    monkeypatch.setattr(known_customers, "read_snapshot", lambda _: known)
    with pytest.raises(UsageError, match=r"no charge of acme 'GPT ouput'.*GPT output") as refused:
        coupons.give("acme", "X", percent="5", charge=["GPT ouput", "GPT output", "Seats"])
    assert "'Seats'" in str(refused.value), "all findings at once"
    with pytest.raises(UsageError, match="globex is on no plan"):
        coupons.give("globex", "X", percent="5", charge=["GPT output"])
    coupons.list_coupons(as_json=True)
    assert said(capsys)["coupons"] == []
    coupons.give("acme", "X", percent="5", charge=["GPT output"], as_json=True)
    assert said(capsys)["coupons"][0]["charges"] == ["GPT output"]


def test_a_payees_statement_is_text_json_and_csv_and_names_what_is_owed_from_other_months(
    capsys: pytest.CaptureFixture[str], home: Home
) -> None:
    shared = charges(charge("=HYPERLINK", ada="30"))
    at = day_start(date(2026, 11, 17), zone_named("UTC"))
    with change(home) as connection:
        finalized(
            connection, invoice("1", line("1", 1_000, charge="=HYPERLINK")), shared, at_ns=at, actor="uid:1"
        )
    payees.set_payee("ada", name="Ada L.")
    payees.list_payees()
    assert "3.00 USD" in capsys.readouterr().out
    payees.statement("ada", month="2026-11")
    text = capsys.readouterr().out
    assert "2026-11-01 to 2026-11-30" in text and "Ada L." in text and "Owed now: 3.00 USD" in text
    payees.statement("ada", month="2026-11", as_json=True)
    (found,) = said(capsys)["statements"]
    assert (found["opening"], found["total"], found["closing"]) == ("0.00", "3.00", "3.00")
    payees.statement("ada", month="2026-11", as_csv=True)
    head, row, _ = capsys.readouterr().out.split("\r\n")
    assert head.startswith("payee,at,document") and ",'=HYPERLINK,30,USD,10.00,3.00" in row
    payees.statement("ada", month="2026-10")
    other = capsys.readouterr().out
    assert "Owed by now: 3.00 USD; the latest document is of 2026-11: --month 2026-11" in other
    payees.set_payee("bob")
    capsys.readouterr()
    payees.statement("bob", month="2026-10")
    assert "is owed nothing" in capsys.readouterr().out
    for month in ("2026-13", "2026", "November"):
        with pytest.raises(UsageError, match="not a month"):
            payees.statement("ada", month=month)
    with pytest.raises(UsageError, match=r"no payee 'adda'.*ada"):
        payees.statement("adda")


def test_the_journal_is_listed_and_verified(capsys: pytest.CaptureFixture[str], home: Home) -> None:
    assert money_journal.verify() == 0
    grant("acme", "5")
    capsys.readouterr()
    money_journal.list_journal(party="acme", account="wallet_liability")
    assert "wallet.grant" in capsys.readouterr().out
    money_journal.list_journal(as_json=True)
    found = said(capsys)
    assert {each["account"]: each["balance"] for each in found["accounts"]} == {
        "customer_receivable": "5.00",
        "wallet_liability": "-5.00",
    }
    assert money_journal.verify(as_json=True) == 0
    assert said(capsys)["transactions"] == 1
    with sqlite3.connect(home.control) as raw:
        raw.execute("DROP TRIGGER journal_entry_no_update")
        raw.execute("UPDATE journal_entry SET party = 'evil' WHERE position = 1")
    raw.close()
    assert money_journal.verify() == 1
    assert "is not as it was posted" in capsys.readouterr().out


def test_a_customer_of_the_homes_file_has_a_wallet_in_its_currency(
    capsys: pytest.CaptureFixture[str], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("FAREBOX_HOME", str(home.path))
    home.config.write_text("customers:\n  umbrella: {name: Umbrella, currency: JPY, timezone: Asia/Tokyo}\n")
    grant("umbrella", "5000", expires="2030-01-01", as_json=True)
    found = said(capsys)
    assert (found["wallet"]["currency"], found["wallet"]["balance"]) == ("JPY", "5000")
    assert found["grant"]["expires_at"] == "2029-12-31T15:00:00.000000Z"
    with pytest.raises(UsageError, match='did you mean "umbrella"'):
        grant("umbrela", "5")
