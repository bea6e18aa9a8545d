"""`farebox plans`, `customers` and `subscriptions`: applied whole, versioned, shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from farebox.cli.main import main
from farebox.control.database import open_control
from farebox.control.schema import audit
from farebox.home import Home
from farebox.snapshot import read_snapshot

TEXT = """customers:
  acme: {name: Acme Inc., timezone: America/New_York}
plans:
  pro: {base: "20.00", charges: [{name: Usage, meter: cost, markup_percent: "20"}]}
subscriptions:
  - {customer: acme, plan: pro, start: 2026-11-01}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "plans.yaml"
    file.write_text(TEXT)
    return file


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["farebox", *words])
        status = main()
    told = capsys.readouterr()
    return status, told.out + told.err


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    status, told = run(capsys, *words, "--json")
    assert status == 0, told
    return json.loads(told)


def test_empty_lists_say_what_to_type(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    for words in ("plans", "customers", "subscriptions"):
        status, told = run(capsys, words)
        assert status == 0 and f"farebox {words} " in told


def test_a_dry_run_shows_the_difference_and_stores_nothing(
    capsys: pytest.CaptureFixture[str], file: Path, away_from_home: Path
) -> None:
    found = answer(capsys, "plans", "apply", str(file), "--dry-run")
    assert [(each["kind"], each["action"]) for each in found["changes"]] == [
        ("customer", "add"),
        ("plan", "add"),
        ("subscription", "add"),
    ]
    assert answer(capsys, "plans")["plans"] == []
    assert read_snapshot(Home(away_from_home)).subscriptions == ()


def test_an_edit_of_a_plan_in_use_is_its_next_version_and_says_who_stays(
    capsys: pytest.CaptureFixture[str], file: Path, away_from_home: Path
) -> None:
    assert run(capsys, "plans", "apply", str(file))[0] == 0
    file.write_text(TEXT.replace("20.00", "25.00"))
    _, told = run(capsys, "plans", "apply", str(file))
    assert "plan pro version 2" in told and "base: 20.00 → 25.00" in told
    assert "stays on its version: acme since 2026-11-01 (version 1)" in told
    assert answer(capsys, "plans", "diff", "pro")["lines"] == ["base: 20.00 → 25.00"]
    moved = answer(capsys, "subscriptions", "change", "acme", "pro", "--at", "2026-12-01")
    assert [(each["version"], each["start"], each["until"]) for each in moved["subscriptions"]] == [
        (1, "2026-11-01", "2026-12-01"),
        (2, "2026-12-01", None),
    ]
    ended = answer(capsys, "subscriptions", "end", "acme", "pro", "--at", "2027-01-01")
    assert ended["subscriptions"][1]["until"] == "2027-01-01"
    with open_control(Home(away_from_home)).reading() as connection:
        noted = set(connection.scalars(select(audit.c.action)))
    assert {"plan.add", "plan.change", "subscription.change", "subscription.end"} <= noted


def test_a_file_with_mistakes_is_refused_whole_with_all_of_them(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    file.write_text(TEXT.replace('"20.00"', "-5").replace("plan: pro", "plan: prx") + "plnas: {}\n")
    status, told = run(capsys, "plans", "apply", str(file))
    assert status == 78
    for words in ("plans.yaml:4: plans.pro.base", 'did you mean "pro"', 'did you mean "plans"'):
        assert words in told
    assert answer(capsys, "customers")["customers"] == []


def test_a_second_subscription_for_the_same_meter_is_refused(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    run(capsys, "plans", "apply", str(file))
    status, told = run(capsys, "subscriptions", "start", "acme", "pro", "--at", "2026-11-15")
    assert status == 78 and "one subscription for a meter" in told


def test_a_customer_is_set_mapped_and_removed(
    capsys: pytest.CaptureFixture[str], file: Path, away_from_home: Path
) -> None:
    run(capsys, "customers", "set", "beta", "--name", "Beta GmbH", "--currency", "EUR", "--tax-percent", "19")
    (beta,) = answer(capsys, "customers", "set", "beta", "--email", "pay@beta.example")["customers"]
    assert (beta["name"], beta["currency"], beta["email"]) == ("Beta GmbH", "EUR", "pay@beta.example")
    assert run(capsys, "customers", "map", "beta", "--tag", "tenant=b1")[0] == 0
    (mapped,) = read_snapshot(Home(away_from_home)).identities
    assert (mapped.dimension, mapped.value, mapped.customer) == ("tag.tenant", "b1", "beta")
    status, told = run(capsys, "customers", "map", "bta", "--key", "x")
    assert status == 64 and 'did you mean "beta"' in told
    status, told = run(capsys, "customers", "set", "beta", "--currency", "EURO", "--timezone", "Berlin")
    assert status == 78 and "currency" in told and "Europe/Berlin" in told
    assert run(capsys, "customers", "remove", "beta", "--yes")[0] == 0
    assert answer(capsys, "customers")["customers"] == []


def test_a_remapped_key_stands_for_the_new_customer_from_its_day_on(
    capsys: pytest.CaptureFixture[str], file: Path, away_from_home: Path
) -> None:
    for name in ("a", "b"):
        run(capsys, "customers", "set", name)
    run(capsys, "customers", "map", "a", "--key", "backend")
    status, told = run(capsys, "customers", "map", "b", "--key", "backend")
    assert status == 64 and "--from" in told
    run(capsys, "customers", "map", "b", "--key", "backend", "--from", "2026-12-01")
    first, second = read_snapshot(Home(away_from_home)).identities
    assert (first.customer, second.customer) == ("a", "b")
    assert first.until_ns == second.from_ns == 1796083200 * 10**9


def test_what_the_homes_file_says_is_changed_there(
    capsys: pytest.CaptureFixture[str], file: Path, away_from_home: Path
) -> None:
    home = Home(away_from_home)
    home.prepare()
    home.config.write_text(TEXT)
    assert [each["origin"] for each in answer(capsys, "plans")["plans"]] == ["farebox.yaml:4"]
    for words in (
        ("customers", "set", "acme", "--name", "Other"),
        ("subscriptions", "end", "acme"),
        ("plans", "remove", "pro", "--yes"),
        ("plans", "apply", str(file)),
    ):
        status, told = run(capsys, *words)
        assert status != 0 and "farebox.yaml:" in told, words


def test_a_working_directorys_file_says_nothing_of_plans(
    capsys: pytest.CaptureFixture[str], file: Path, away_from_home: Path
) -> None:
    (file.parent / "farebox.yaml").write_text(TEXT)
    assert answer(capsys, "plans")["plans"] == []
    status, told = run(capsys, "config", "check")
    assert status != 0 and "plans" in told


def test_what_show_prints_of_a_plan_is_applied_back_and_changes_nothing(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    assert run(capsys, "plans", "apply", str(file))[0] == 0
    _, printed = run(capsys, "plans", "show", "pro")
    assert printed.startswith("# pro 1 (frozen") and "base: '20.00'" in printed
    file.write_text(printed)
    assert "Nothing to change" in run(capsys, "plans", "apply", str(file))[1]
    file.write_text(printed.replace("'20'", "'25'"))
    told = run(capsys, "plans", "apply", str(file), "--dry-run")[1]
    assert "charges.Usage.markup_percent: 20 → 25" in told
