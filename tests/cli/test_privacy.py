"""`farebox privacy erase`: a preview, then no file has the value, and nothing else changed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from calls import HOUR, TestLedger, done

from farebox.cli.main import main
from farebox.clock import now_ns
from farebox.home import Home

CLI = Callable[..., tuple[int, str, str]]
WHO = "wilhelmina.featherstonehaugh@example.com"


@pytest.fixture
def state(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    ledger = TestLedger(home)
    at = now_ns() - HOUR
    ledger.append(
        done(at, attribution={"user": WHO, "tag.mail": WHO}),
        done(at, attribution={"user": WHO, "session": "s1"}),
        done(at, attribution={"user": "bob"}),
        done(at),
    )
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


def containing(state: Home) -> list[str]:
    return [
        path.name for path in state.path.rglob("*") if path.is_file() and WHO.encode() in path.read_bytes()
    ]


def test_an_erased_user_is_in_no_file_and_every_total_is_as_it_was(state: Home, cli: CLI) -> None:
    before = json.loads(cli("by", "user", "--json")[1])
    assert sorted(containing(state)) == ["analytics.duckdb", "ledger.db"]

    status, shown, _ = cli("privacy", "erase", "--user", WHO, "--tag", f"mail={WHO}", "--dry-run", "--json")
    preview = json.loads(shown)
    assert (status, preview["erased"]) == (0, False)
    assert [(each["field"], each["calls"]) for each in preview["values"]] == [("user", 2), ("tag.mail", 1)]
    assert sorted(containing(state)) == ["analytics.duckdb", "ledger.db"]

    status, shown, _ = cli("privacy", "erase", "--user", WHO, "--tag", f"mail={WHO}", "--yes", "--json")
    assert (status, json.loads(shown)["erased"]) == (0, True)
    assert containing(state) == []
    after = json.loads(cli("by", "user", "--json")[1])
    assert after["totals"] == before["totals"]
    number = preview["values"][0]["number"]
    names = [WHO if name == f"(erased {number})" else name for name in _users(after)]
    assert sorted(map(str, names)) == sorted(map(str, _users(before)))
    assert f"(erased {number})" in cli("by", "user")[1]
    assert cli("verify")[0] == 0
    assert containing(state) == []


def _users(answer: dict[str, list[dict[str, dict[str, str | None]]]]) -> list[str | None]:
    return [group["keys"]["user"] for group in answer["groups"]]


def test_export_and_questions_name_an_erased_user_alike(state: Home, cli: CLI) -> None:
    cli("privacy", "erase", "--user", WHO, "--yes")
    exported = [json.loads(line)["attribution"].get("user") for line in cli("export")[1].splitlines()]
    assert set(exported) == set(_users(json.loads(cli("by", "user", "--json")[1])))


def test_nothing_is_erased_without_a_yes(state: Home, cli: CLI) -> None:
    for arguments, expected in ((["--user", WHO], 1), (["--user", WHO, "--dry-run", "--yes"], 0)):
        status, shown, _ = cli("privacy", "erase", *arguments)
        assert (status, "Nothing was erased" in shown) == (expected, True), (
            "a script must not take it for done"
        )
        assert "2" in shown
    assert containing(state) == ["ledger.db"]


def test_a_value_that_nothing_has_is_said_and_is_a_no(cli: CLI) -> None:
    status, shown, _ = cli("privacy", "erase", "--user", "nobody", "--yes")
    assert (status, shown.strip()) == (1, "Nothing has user=nobody.")


@pytest.mark.parametrize("arguments", [[], ["--tag", "mail"], ["--attribution", "app=a"]])
def test_what_cannot_be_erased_is_refused(cli: CLI, arguments: list[str]) -> None:
    assert cli("privacy", "erase", *arguments, "--yes")[0] == 64


def test_a_text_that_has_a_value_within_a_longer_word_is_not_named(state: Home, cli: CLI) -> None:
    state.config.write_text("keys: {0123456789abcdef: {customer: annabel}}\n")
    state.config.chmod(0o600)
    assert "may still be in" not in cli("privacy", "erase", "--user", "anna", "--yes")[1]
    assert f"may still be in {state.config}" in cli("privacy", "erase", "--user", "annabel", "--yes")[1]


@pytest.mark.parametrize("name", ["quarantine/proxy-1-record-1-type-3.bin", "snapshot.json"])
def test_files_that_erasing_does_not_change_are_named(state: Home, cli: CLI, name: str) -> None:
    kept = state.path / name
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(b"\xc1" + WHO.encode())
    status, shown, _ = cli("privacy", "erase", "--user", WHO, "--yes")
    assert status == 0
    assert f"It may still be in {kept}" in shown
