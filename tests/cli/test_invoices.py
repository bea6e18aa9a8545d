"""`farebox invoices`: issued, shown, exported, credited; customers and coupons beside them."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest
from calls import TestLedger, done
from test_rerating import book
from tests.cli.test_margins import BILLING, CLI, PRICES, at, cli

from farebox.cli.exits import DATA
from farebox.home import Home

__all__ = ["cli"]

AS_OF = ("--as-of", "2026-10-04")
TOKYO = BILLING.replace("currency: USD}", "currency: USD, timezone: Asia/Tokyo}")


def home_of(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def issued(cli: CLI) -> CLI:
    status, told, _ = cli("invoices", "run", *AS_OF)
    assert status == 0 and "INV-000001  acme  95.00 USD" in told
    return cli


def test_a_credit_note_is_shown_by_its_number_and_lowers_what_is_due(issued: CLI) -> None:
    issued("invoices", "credit", "INV-000001", "--line", "2=5.00", "--reason", "Slow responses")
    status, told, _ = issued("invoices", "show", "CN-000001")
    assert (
        status == 0 and "of INV-000001" in told and "Slow responses" in told and "credited 5.00 USD" in told
    )
    note = json.loads(issued("invoices", "show", "CN-000001", "--json")[1])
    assert (note["schema"], note["credit_note"]["number"]) == ("farebox.credit-note/1", "CN-000001")
    (listed,) = json.loads(issued("invoices", "list", "--json")[1])["invoices"]
    assert (listed["total"], listed["due"]) == ("95.00", "90.00")
    assert "due now: 90.00 USD" in issued("invoices", "show", "INV-000001")[1]


def test_nothing_is_due_of_an_invoice_that_is_void(issued: CLI) -> None:
    assert issued("invoices", "void", "INV-000001", "--reason", "Wrong plan")[0] == 0
    (listed,) = json.loads(issued("invoices", "list", "--json")[1])["invoices"]
    assert (listed["status"], listed["total"], listed["due"]) == ("void", "95.00", "0.00")


def test_periods_are_days_of_the_customers_zone_and_figures_are_grouped(cli: CLI, tmp_path: Path) -> None:
    home_of(tmp_path).config.write_text(
        TOKYO.replace('meter: cost, markup_percent: "25"', "meter: tokens, unit: 1")
    )
    assert cli("invoices", "run", *AS_OF)[0] == 0
    told = cli("invoices", "show", "INV-000001")[1]
    assert "INV-000001 (final) for Acme Inc., 1 – 30 September 2026 (Asia/Tokyo)" in told
    assert "15,000,000 tokens" in told and "15,000,020.00" in told and "T15:00" not in told
    (listed,) = json.loads(cli("invoices", "--json")[1])["invoices"]
    assert (listed["first_day"], listed["last_day"]) == ("2026-09-01", "2026-09-30")
    assert listed["period_start"].startswith("2026-08-31T15:00")


def test_a_draft_is_called_a_draft_once(cli: CLI) -> None:
    told = cli("invoices", "preview", "acme", "--as-of", "2026-09-20")[1]
    assert told.lower().count("draft") == 1


def test_an_unknown_customer_of_a_run_is_named_and_nothing_is_issued(cli: CLI) -> None:
    status, _, told = cli("invoices", "run", *AS_OF, "--customer", "acme", "--customer", "amce")
    assert status == 64 and "'amce'" in told and 'did you mean "acme"' in told
    assert json.loads(cli("invoices", "list", "--json")[1])["invoices"] == []


def test_a_document_is_exported_to_standard_output(issued: CLI, tmp_path: Path) -> None:
    for words in (("--output", "-"), ("-o", "-"), ("--output=-",)):
        status, told, _ = issued("invoices", "export", "INV-000001", "--format", "csv", *words)
        assert status == 0 and "INV-000001" in told
    assert not Path("-").exists()


def test_invoices_without_a_seller_say_how_to_name_one(cli: CLI, tmp_path: Path) -> None:
    _, _, told = cli("invoices", "run", *AS_OF)
    assert "billing: {seller: {name: …" in told
    assert "seller" in cli("invoices", "export", "INV-000001", "--format", "html", "-o", "-")[2]
    config = home_of(tmp_path).config
    config.write_text(config.read_text() + "billing: {seller: {name: Example Labs}}\n")
    assert "seller" not in cli("invoices", "export", "INV-000001", "--format", "html", "-o", "-")[2]


def test_usage_that_no_charge_takes_is_named_when_invoices_are_issued(cli: CLI, tmp_path: Path) -> None:
    text = BILLING.replace('markup_percent: "25"', "where: {model: other}, markup_percent: 25")
    home_of(tmp_path).config.write_text(text)
    _, _, told = cli("invoices", "run", *AS_OF)
    assert "acme: plan pro does not charge 3 calls" in told


def test_what_is_not_there_has_one_exit_status(issued: CLI) -> None:
    assert {issued("invoices", verb, "INV-000009")[0] for verb in ("show", "export")} == {1}
    assert issued("invoices", "void", "INV-000009", "--reason", "x")[0] == 1
    assert issued("explain", "INV-000001/99")[0] == 1
    assert issued("explain", "019aa000-0000-7000-8000-000000000009")[0] == 1


def test_a_name_mapped_in_the_past_changes_recorded_calls_at_once(cli: CLI, tmp_path: Path) -> None:
    ledger = TestLedger(home_of(tmp_path))
    ledger.applier.use(book(PRICES))
    for day in (5, 6, 7):
        ledger.append(done(at(day), model="gpt-4o", input_tokens=1, attribution={"agent": "scout"}))
    ledger.connection.close()

    def calls_of(customer: str) -> int:
        groups = json.loads(cli("by", "customer", "--since", "2026-09-01", "--json")[1])["groups"]
        return sum(each["totals"]["calls"] for each in groups if each["keys"]["customer"] == customer)

    assert cli("customers", "set", "other")[0] == 0
    assert calls_of("other") == 0
    status, told, _ = cli("customers", "map", "other", "--agent", "scout", "--from", "2026-09-06")
    assert status == 0 and "calls that are recorded already say so" in told
    assert calls_of("other") == 2
    assert cli("customers", "unmap", "--agent", "scout", "--at", "2026-09-07")[0] == 0
    assert calls_of("other") == 1


def test_a_coupon_says_whether_it_is_in_force(cli: CLI) -> None:
    for name, flags in {
        "NOW": (), "PAST": ("--until", "2020-01-01"), "NEXT": ("--start", "2199-01-01")
    }.items():  # fmt: skip
        assert cli("coupons", "give", "acme", name, "--percent", "10", *flags)[0] == 0
    told = cli("coupons", "list")[1]
    states = {line.split()[1]: line for line in told.splitlines()[1:]}
    assert "in force" in states["NOW"] and " over " in states["PAST"] and " planned " in states["NEXT"]


def test_a_pdf_says_which_characters_are_boxes_in_it(cli: CLI, tmp_path: Path) -> None:
    pytest.importorskip("typst")
    config = home_of(tmp_path).config
    config.write_text(config.read_text().replace("Acme Inc.", "東京 Ltd"))
    cli("invoices", "run", *AS_OF)
    told = cli("invoices", "export", "INV-000001", "-o", str(tmp_path / "x.pdf"))[2]
    assert "no font at hand has 京東" in told and "billing: {fonts: FOLDER}" in told
    told = cli("invoices", "export", "INV-000001", "--format", "html", "-o", str(tmp_path / "x.html"))[2]
    assert "no font" not in told


def test_verify_covers_the_journal_of_money(issued: CLI, tmp_path: Path) -> None:
    status, told, _ = issued("verify", "--json")
    assert json.loads(told)["money_journal"] == []
    with contextlib.closing(sqlite3.connect(home_of(tmp_path).control)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE journal_entry SET amount_minor = amount_minor * 2")
        database.commit()
    damaged, told, _ = issued("verify")
    assert "money journal: transaction 1 is not as it was posted" in told
    assert damaged == DATA != status
