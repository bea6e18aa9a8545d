"""`farebox audit`: listed, shown, verified, exported, and the key that signs."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from farebox.audit import verify_package
from farebox.cli.exits import DATA
from farebox.cli.main import main
from farebox.config import KeyConfig
from farebox.control.key_changes import label_key
from farebox.control.token_changes import create_token
from farebox.home import Home

CLI = Callable[..., tuple[int, str, str]]
NOON = 1_795_953_600 * 10**9  # 2026-11-29T12:00:00Z


@cache
def changed(folder: Path) -> bytes:
    """Return a control database with three changes."""
    home = Home(folder / "changed")
    home.prepare()
    for number, label in enumerate(("jobs", "batch")):
        label_key(home, "a" * 16, KeyConfig(label=label, customer="acme"), "uid:1", NOON + number)
    create_token(home, "laptop", "read", "token:0196", NOON + 2)
    return home.control.read_bytes()


@pytest.fixture
def home(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    home.control.touch(0o600)
    home.control.write_bytes(changed(tmp_path_factory.getbasetemp()))
    return home


@pytest.fixture
def cli(home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CLI:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["farebox", *arguments, "--home", str(home.path)])
        status = main()
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def listed(cli: CLI, *flags: str) -> list[int]:
    status, told, _ = cli("audit", "list", *flags, "--json")
    assert status == 0
    return [each["number"] for each in json.loads(told)["entries"]]


def test_the_newest_changes_are_listed_first_with_what_is_different(cli: CLI) -> None:
    status, told, wrong = cli("audit", "--tz", "UTC")
    assert (status, wrong) == (0, "")
    head, *rows = told.splitlines()
    assert head.split()[:5] == ["no.", "when", "who", "did", "what"]
    assert [row.split()[0] for row in rows[:3]] == ["3", "2", "1"]
    assert "2026-11-29 12:00" in rows[1] and "uid:1" in rows[1] and "jobs → batch" in rows[1]
    assert "audit show 3" in rows[-1]


@pytest.mark.parametrize(
    ("flags", "numbers"),
    [
        (["--actor", "uid:1"], [2, 1]),
        (["--kind", "token"], [3]),
        (["--name", "a" * 16], [2, 1]),
        (["--limit", "1"], [3]),
        (["--since", "2026-11-29T12:00:00Z", "--until", "2026-11-29T12:01"], [3, 2, 1]),
        (["--until", "2026-11-29T12:00:00Z"], []),
    ],
)
def test_entries_are_chosen_by_flags(cli: CLI, flags: list[str], numbers: list[int]) -> None:
    assert listed(cli, *flags, "--tz", "UTC") == numbers


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["list", "--actor", "uid:2"], 'did you mean "uid:1"'),
        (["list", "--kind", "tokens"], 'did you mean "token"'),
        (["show", "4"], "there is no entry 4"),
    ],
)
def test_what_is_in_no_entry_is_told_with_what_there_is(cli: CLI, flags: list[str], said: str) -> None:
    status, _, told = cli("audit", *flags)
    assert status == 64 and said in told


def test_one_entry_is_shown_with_each_field_before_and_after(cli: CLI) -> None:
    told = cli("audit", "show", "2")[1]
    assert "key.label" in told and "label: jobs → batch" in told and "binding" not in told
    (entry,) = json.loads(cli("audit", "show", "2", "--json")[1])["entries"]
    assert entry["changes"][0]["before"]["label"] == "jobs"
    assert f"hash {entry['hash']}" in told


def test_what_is_whole_is_verified_and_the_first_wrong_place_has_status_65(cli: CLI, home: Home) -> None:
    status, told, _ = cli("audit", "verify")
    assert status == 0 and "3 entries of the log and 0 invoice documents: all as they were written" in told
    head = json.loads(cli("audit", "verify", "--json")[1])["head"]
    assert f"head {head}" in told and head.startswith("3:")
    with sqlite3.connect(home.control) as raw:
        raw.execute("DROP TRIGGER audit_no_update")
        raw.execute("UPDATE audit SET actor = 'uid:0' WHERE number = 2")
    raw.close()
    status, told, _ = cli("audit", "verify", "--json")
    answer = json.loads(told)
    assert (status, answer["problems"][0]) == (DATA, "entry 2 is not as it was written")


def test_a_package_is_exported_once_and_verified_with_the_key_that_is_shown(cli: CLI, tmp_path: Path) -> None:
    to = tmp_path / "package"
    status, told, _ = cli("audit", "export", str(to))
    shown = cli("audit", "key")[1].splitlines()[0]
    assert status == 0 and f"python3 verify.py --key {shown}" in told
    assert verify_package.verify(to, shown)[0] == []
    status, _, wrong = cli("audit", "export", str(to))
    assert status == 64 and "is there already" in wrong


def test_a_key_is_replaced_and_the_one_before_it_is_told(cli: CLI) -> None:
    first = json.loads(cli("audit", "key", "--json")[1])
    status, told, _ = cli("audit", "key", "--replace", "--json")
    fresh = json.loads(told)
    assert status == 0 and fresh["earlier"] == [first["key"]] and fresh["key"] != first["key"]
    assert json.loads(cli("audit", "key", "--json")[1]) == fresh
    (entry,) = json.loads(cli("audit", "--kind", "signing_key", "--json")[1])["entries"][:1]
    assert (entry["action"], entry["detail"]) == ("signing_key.replace", {"old": first["key"]})


def test_a_home_without_a_change_has_an_empty_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words, said in ((["audit"], "Nothing was changed yet."), (["audit", "verify"], "0 entries")):
        monkeypatch.setattr(sys, "argv", ["farebox", *words, "--home", str(tmp_path / "new")])
        assert main() == 0
        assert said in capsys.readouterr().out
    assert not (tmp_path / "new" / "control.db").exists()
