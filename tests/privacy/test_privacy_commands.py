"""`farebox privacy report`, `export` and `retention`, and what erasing leaves in the books."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from calls import DAY, TestLedger, done
from tests.cli.test_margins import CLI as BILLED_CLI
from tests.cli.test_margins import cli as billed_cli

from farebox.cli.main import main
from farebox.clock import now_ns
from farebox.config import KeyConfig
from farebox.control.audit.verification import verify_audit
from farebox.control.database import ControlDatabase
from farebox.control.key_changes import label_key
from farebox.home import Home
from farebox.ledger import verify
from farebox.privacy.inventory import INVENTORY

__all__ = ["billed_cli"]

CLI = Callable[..., tuple[int, str, str]]
OLD, NEW = "old.user@example.com", "new.user@example.com"


@pytest.fixture
def state(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    ledger = TestLedger(home)
    now = now_ns()
    for number, user in ((200, OLD), (200, NEW), (1, NEW)):
        whose = {"user": user, "customer": "acme", "session": f"s-{number}"}
        ledger.append(done(now - number * DAY, attribution=whose))
    ledger.connection.close()
    return home


@pytest.fixture
def cli(state: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CLI:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["farebox", *arguments, "--home", str(state.path)])
        status = main()
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_the_report_has_every_place_of_the_home_with_its_size(cli: CLI, state: Home) -> None:
    status, told, _ = cli("privacy", "report")
    assert status == 0 and "Prompts, completions" in told and "ledger.db" in told
    answer = json.loads(cli("privacy", "report", "--json")[1])
    sizes = {each["place"]: each["bytes"] for each in answer["places"]}
    assert sizes["ledger.db"] >= state.ledger.stat().st_size and answer["found"] is None
    cli("by", "user")
    label_key(state, "a" * 16, KeyConfig(label="k"), "uid:1", 1)
    named = " ".join(each.place for each in INVENTORY)
    unknown = {
        path.name
        for path in state.path.iterdir()
        if path.name.partition("-wal")[0].rstrip("/") not in named
        and not path.name.endswith((".lock", "-shm", ".key"))
        and path.name not in ("run", "analytics.log")
    }
    assert unknown == set()


def test_the_report_of_a_person_says_where_and_what_stays(cli: CLI, state: Home) -> None:
    label_key(state, "a" * 16, KeyConfig(label="k", user=OLD), "uid:1", 1)
    status, told, _ = cli("privacy", "report", "--user", OLD, "--json")
    found = [(each["place"], each["rows"], each["stays"]) for each in json.loads(told)["found"]]
    assert status == 0
    assert found == [
        ("ledger.db: calls", 1, ""),
        ("control.db: key", 1, "declared"),
        ("control.db: audit", 1, "declared"),
    ]
    assert "you declared it" in cli("privacy", "report", "--user", OLD)[1]
    assert cli("privacy", "report", "--user", "nobody")[:2] == (1, "Nothing is kept of that.\n")


def test_the_export_has_all_of_one_person_and_nothing_of_others(cli: CLI, state: Home) -> None:
    label_key(state, "a" * 16, KeyConfig(label="k", user=NEW), "uid:1", 1)
    status, told, _ = cli("privacy", "export", "--user", NEW)
    lines = [json.loads(line) for line in told.splitlines()]
    assert status == 0 and [each["kind"] for each in lines] == ["call", "call", "key", "audit"]
    assert {each["data"]["attribution"]["user"] for each in lines[:2]} == {NEW} and OLD not in told
    assert cli("privacy", "export", "--user", "nobody")[0] == 1
    assert cli("privacy", "export")[0] == 64


def test_what_nothing_had_for_long_enough_is_erased_and_customers_only_by_name(cli: CLI, state: Home) -> None:
    status, told, _ = cli("privacy", "retention", "--json")
    fields = {each["field"]: (each["values"], each["aged"]) for each in json.loads(told)["fields"]}
    assert (status, fields) == (0, {"customer": (1, 0), "session": (2, 0), "user": (2, 0)})
    preview = cli("privacy", "retention", "--older-than", "90d", "--dry-run")[1]
    assert "Nothing was erased" in preview
    answer = json.loads(cli("privacy", "retention", "--older-than", "90d", "--yes", "--json")[1])
    assert answer["erased"] == 2
    assert {each["field"]: each["aged"] for each in answer["fields"]} == {
        "customer": 0,
        "session": 1,
        "user": 1,
    }
    left = json.loads(cli("privacy", "retention", "--older-than", "0d", "--dry-run", "--json")[1])["fields"]
    assert {each["field"]: each["values"] for each in left} == {"customer": 1, "session": 1, "user": 1}
    content = state.ledger.read_bytes()
    assert OLD.encode() not in content and NEW.encode() in content and verify(state).ok
    said = cli("privacy", "retention", "--older-than", "0d", "--field", "customer", "--yes")[1]
    assert "Erased 1 value" in said and b"acme" not in state.ledger.read_bytes()
    assert cli("privacy", "retention", "--field", "model")[0] == 64


def test_books_of_an_erased_customer_stay_and_are_named(billed_cli: BILLED_CLI, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert billed_cli("invoices", "run", "--as-of", "2026-10-04")[0] == 0
    status, told, _ = billed_cli("privacy", "erase", "--customer", "acme", "--yes", "--json")
    answer = json.loads(told)
    stays = {(each["place"], each["stays"]) for each in answer["kept"]}
    assert status == 0 and answer["erased"]
    assert stays >= {
        ("control.db: invoice", "books"),
        ("control.db: journal_entry", "books"),
        ("control.db: customer", "declared"),
    }
    assert str(home.config) in answer["left_in"]
    assert "95.00" in billed_cli("invoices", "show", "INV-000001")[1]
    assert b"acme" not in home.ledger.read_bytes()
    with ControlDatabase(home).reading() as connection:
        assert verify_audit(connection).problems == []
