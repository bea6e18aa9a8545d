"""What a final invoice has billed cannot be moved, added to or taken from by a change of terms."""

from __future__ import annotations

import sqlite3
from datetime import date
from typing import Any

import pytest
from sqlalchemy import insert

from farebox import yamltext
from farebox.billing.journal.entries import Entry
from farebox.billing.journal.posting import post
from farebox.billing.plans.changes import apply, change_subscription, end_subscription, remove_customer
from farebox.charges.plan_reader import BillingTerms, read_billing_terms
from farebox.charges.plan_reader.written_values import day_start_ns
from farebox.control import billing_terms
from farebox.control.database import open_control
from farebox.control.publish import change, publish
from farebox.control.schema import invoice, invoice_void
from farebox.errors import ConfigError, UsageError
from farebox.home import Home
from farebox.snapshot import read_snapshot

TEXT = """customers:
  acme: {name: Acme Inc., currency: USD, timezone: America/New_York}
plans:
  pro: {base: "20.00", charges: [{name: Usage, meter: cost, markup_percent: "20"}]}
  other: {base: "30.00", charges: [{name: Usage, meter: cost, markup_percent: "20"}]}
subscriptions:
  - {customer: acme, plan: pro, start: 2025-01-01}
"""
NOW = day_start_ns(date(2025, 5, 10), "UTC")


def terms_of(text: str) -> BillingTerms:
    root, findings = yamltext.parse(text, "plans.yaml")
    assert root is not None
    return read_billing_terms(dict(root.items()), findings)


def applied(home: Home, text: str) -> None:
    apply(home, terms_of(text), "uid:1", NOW)


def bill(
    home: Home, until: date, *, voided: bool = False, document: str = "{}", kind: str = "period"
) -> None:
    """Store a final invoice that ends on a day."""
    with change(home) as connection:
        connection.execute(
            insert(invoice).values(
                id=str(until), customer="acme", kind=kind,
                from_ns=day_start_ns(date(2025, 1, 1), "America/New_York"),
                until_ns=day_start_ns(until, "America/New_York"),
                attempt=0, series="INV", number=until.toordinal(), as_of_seq=0, issued_at=0,
                document=document, sha256="", terms="{}",
            )
        )  # fmt: skip
        if voided:
            connection.execute(insert(invoice_void).values(invoice=str(until), at=0, actor="a", reason="r"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("America/New_York", "Asia/Tokyo", "timezone"),
        ("currency: USD", "currency: EUR", "currency"),
        ("start: 2025-01-01", "start: 2025-01-01, anchor: 2025-01-10", "anchor"),
        ("start: 2025-01-01", "start: 2025-01-01, until: 2025-03-15", "until"),
        ("start: 2025-01-01", "start: 2024-12-15", "start"),
    ],
)
def test_zone_currency_anchor_and_billed_days_stay_once_there_is_a_final_invoice(
    home: Home, old: str, new: str, words: str
) -> None:
    applied(home, TEXT)
    bill(home, date(2025, 5, 1))
    with pytest.raises(ConfigError, match=words):
        applied(home, TEXT.replace(old, new))
    applied(home, TEXT)
    applied(home, TEXT.replace("start: 2025-01-01", "start: 2025-01-01, until: 2025-05-01"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("America/New_York", "Asia/Tokyo", "timezone"),
        ("start: 2025-01-01", "start: 2025-01-01, anchor: 2025-01-10", "anchor"),
    ],
)
def test_zone_and_anchor_stay_once_there_is_a_threshold_invoice(
    home: Home, old: str, new: str, words: str
) -> None:
    applied(home, TEXT)
    bill(home, date(2025, 1, 20), kind="progressive")
    with pytest.raises(ConfigError, match=words):
        applied(home, TEXT.replace(old, new))
    applied(home, TEXT.replace("start: 2025-01-01", "start: 2025-01-01, until: 2025-01-25"))


def test_what_has_no_final_invoice_may_be_changed(home: Home) -> None:
    applied(home, TEXT)
    bill(home, date(2025, 5, 1), voided=True)
    applied(home, TEXT.replace("America/New_York", "Asia/Tokyo"))
    applied(
        home,
        TEXT.replace("America/New_York", "Asia/Tokyo").replace(
            "start: 2025-01-01", "start: 2025-01-01, anchor: 2025-01-10, until: 2025-03-01"
        ),
    )


def test_a_subscription_ends_or_changes_only_after_what_is_billed(home: Home) -> None:
    applied(home, TEXT)
    bill(home, date(2025, 5, 1))
    with pytest.raises(UsageError, match="2025-05-01 or later"):
        end_subscription(home, "acme", None, date(2025, 4, 15), "uid:1", NOW)
    with pytest.raises(UsageError, match="2025-05-01 or later"):
        change_subscription(home, "acme", "other", date(2025, 4, 15), "uid:1", NOW)
    change_subscription(home, "acme", "other", date(2025, 5, 1), "uid:1", NOW)


def test_a_customer_with_unbilled_days_is_not_removed(home: Home) -> None:
    applied(home, TEXT.replace("start: 2025-01-01", "start: 2025-01-01, until: 2025-05-05"))
    bill(home, date(2025, 5, 1))
    with pytest.raises(UsageError, match="final invoice"):
        remove_customer(home, "acme", "uid:1", NOW)


def test_leaving_unbilled_days_out_of_the_homes_file_is_a_problem_and_changes_nothing(home: Home) -> None:
    home.config.write_text(TEXT)
    publish(home)
    home.config.write_text("customers:" + TEXT.partition("customers:")[2].partition("subscriptions:")[0])
    publish(home)
    snapshot = read_snapshot(home)
    assert [each.customer for each in snapshot.subscriptions] == ["acme"]
    assert any("no final invoice" in each for each in snapshot.problems)


CARRIED = '{"lines": [{"kind": "carried", "amount_minor": 500}]}'
WITHOUT = TEXT.replace("start: 2025-01-01", "start: 2025-01-01, until: 2025-05-01")


def test_a_customer_with_an_amount_carried_forward_is_neither_removed_nor_left_out(home: Home) -> None:
    home.config.write_text(WITHOUT)
    publish(home)
    bill(home, date(2025, 5, 1), document=CARRIED)
    home.config.write_text("plans:" + WITHOUT.partition("plans:")[2].partition("subscriptions:")[0])
    publish(home)
    assert [each.id for each in read_snapshot(home).customers] == ["acme"]
    assert any("carried" in each for each in read_snapshot(home).problems)
    taken = f'{{"lines": [{{"kind": "carried", "amount_minor": -500, "of_invoice": "{date(2025, 5, 1)}"}}]}}'
    bill(home, date(2025, 5, 2), document=taken)
    publish(home)
    assert read_snapshot(home).customers == () and read_snapshot(home).problems == ()


def test_a_customer_whose_wallet_has_money_is_neither_removed_nor_left_out(home: Home) -> None:
    home.config.write_text(WITHOUT)
    publish(home)
    bill(home, date(2025, 5, 1))
    with change(home) as connection:
        legs = [("wallet_liability", "acme", -500), ("customer_receivable", "acme", 500)]
        entries = [
            Entry(account=account, party=party, currency="USD", amount_minor=amount)  # pyright: ignore[reportArgumentType]
            for account, party, amount in legs
        ]
        post(
            connection, entries, key="k", kind="wallet.grant", reference="r", at_ns=NOW, actor="a", detail={}
        )
    home.config.write_text("plans:" + WITHOUT.partition("plans:")[2].partition("subscriptions:")[0])
    publish(home)
    assert [each.id for each in read_snapshot(home).customers] == ["acme"]
    assert any("wallet" in each for each in read_snapshot(home).problems)


@pytest.mark.parametrize("of_home", [True, False], ids=["file", "applied"])
def test_terms_are_checked_while_others_may_write_control_db(
    home: Home, monkeypatch: pytest.MonkeyPatch, of_home: bool
) -> None:
    """A long list of patterns takes its time outside the lock that every other writer waits for."""
    publish(home, open_control(home))
    check, checked = billing_terms.consistency_findings, [0]

    def writable(*said: Any, **more: Any) -> Any:
        checked[0] += 1
        other = sqlite3.connect(home.control, timeout=0, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # raises "database is locked" where the caller holds the lock
        other.execute("ROLLBACK")
        other.close()
        return check(*said, **more)

    monkeypatch.setattr(billing_terms, "consistency_findings", writable)
    if of_home:
        home.config.write_text(TEXT)
        publish(home)
    else:
        applied(home, TEXT)
    assert checked[0] >= 1
    assert [each.id for each in read_snapshot(home).customers] == ["acme"]
