"""What `today` and `by` answer: filters tell the truth, nothing is cut silently."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ledgers import START, Call, Record

from farebox.analytics.dimensions import DIMENSIONS
from farebox.cli.main import main
from farebox.home import Home

CLI = Callable[..., tuple[int, str, str]]
SINCE = ("--since", "2020-01-01", "--tz", "UTC")
DOLLAR = 10**12


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    made = Record(Home(tmp_path / "home"))
    yield made
    made.close()


@pytest.fixture
def cli(record: Record, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CLI:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["farebox", *arguments, "--home", str(record.home.path)])
        status = main()
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def spent(cli: CLI, *flags: str) -> str:
    status, shown, told = cli("today", *SINCE, "--json", *flags)
    assert status == 0, told
    return json.loads(shown)["totals"]["cost_usd"]


def call(dollars: int, **more: object) -> Call:
    return {"occurred_at": START, "cost_pico": dollars * DOLLAR, **more}


def test_values_with_commas_and_spaces_are_found_and_a_repeated_flag_means_any(
    record: Record, cli: CLI
) -> None:
    record.append([call(1, app="My App, v2"), call(2, app="b"), call(4, app="c")])
    assert spent(cli, "--app", "My App, v2") == "1"
    assert spent(cli, "--app", "b", "--app", "c") == "6"
    assert spent(cli, "--app", "My App, v2", "--app", "c") == "5"


def test_the_empty_text_is_none(record: Record, cli: CLI) -> None:
    record.append([call(1, app="a"), call(2)])
    assert spent(cli, "--app", "") == "2"


def test_every_dimension_is_a_flag_and_can_be_grouped_by(record: Record, cli: CLI) -> None:
    record.append([call(3, app="a")])
    for name in DIMENSIONS:
        status, shown, _ = cli("by", name, *SINCE, "--json")
        (group,) = json.loads(shown)["groups"]
        value = group["keys"][name] or ""
        assert status == 0
        assert spent(cli, f"--{name.replace('_', '-')}", value) == "3"


def test_tags_filter_and_group(record: Record, cli: CLI) -> None:
    record.append(
        [
            call(1, **{"tag.feature": "summary", "tag.team": "core"}),
            call(2, **{"tag.feature": "search"}),
            call(4),
        ]
    )
    assert spent(cli, "--tag", "feature=summary") == "1"
    assert spent(cli, "--tag", "Feature=summary", "--tag", "feature=search") == "3"
    assert spent(cli, "--tag", "feature=summary", "--tag", "team=other") == "0"
    shown = cli("by", "tag.feature,model", *SINCE)[1]
    assert [line.split()[0] for line in shown.splitlines()[3:]] == ["–", "search", "summary"]
    assert cli("today", "--tag", "feature")[0] == 64


def test_a_model_includes_its_dated_versions_and_says_so(record: Record, cli: CLI) -> None:
    record.append(
        [
            call(1, request_model="gpt-4o", model="gpt-4o-2024-08-06"),
            call(2, request_model="gpt-4o-mini", model="gpt-4o-mini-2024-07-18"),
        ]
    )
    assert spent(cli, "--model", "gpt-4o") == "1"
    assert (
        "includes gpt-4o-2024-08-06 (--exact leaves them out)" in cli("today", *SINCE, "--model", "gpt-4o")[1]
    )
    assert spent(cli, "--model", "gpt-4o", "--exact") == "0"
    assert spent(cli, "--model", "gpt-4o-2024-08-06", "--exact") == "1"


def test_a_value_nobody_used_is_told_and_no_limit_holds(record: Record, cli: CLI) -> None:
    record.append([call(1, customer="acme")])
    status, shown, told = cli("today", *SINCE, "--customer", "acne", "--fail-over", "5")
    assert "no call ever had customer 'acne'; similar values: acme" in shown
    assert "cannot tell whether more than $5.00 was spent" in told
    assert status == 3
    assert cli("today", *SINCE, "--customer", "acme", "--fail-over", "5")[0] == 0
    assert cli("today", *SINCE, "--customer", "acme", "--fail-over", "0.5")[0] == 1
    answer = json.loads(cli("by", "model", *SINCE, "--customer", "acne", "--json")[1])
    assert answer["unknown_values"] == [{"name": "customer", "value": "acne", "nearest": ["acme"]}]


def test_groups_are_never_cut_silently_and_those_without_a_cost_come_first(record: Record, cli: CLI) -> None:
    record.append(call(number, model=f"model-{number:02d}") for number in range(1, 19))
    record.append([{"occurred_at": START, "model": "new", "cost_state": "unpriced"}])
    lines = cli("today", *SINCE)[1].splitlines()
    assert lines[6].split()[0] == "new"
    assert lines[-1] == "and 7 more · $28.00"
    assert cli("by", "model", *SINCE, "--limit", "2")[1].splitlines()[-1] == "and 17 more · $153.00"
    answer = json.loads(cli("by", "model", *SINCE, "--json")[1])
    assert (len(answer["groups"]), answer["rest_groups"]) == (19, 0)
    assert len(json.loads(cli("today", *SINCE, "--json")[1])["by_model"]) == 19


def test_percentiles_users_and_hours_of_the_week_can_be_asked(record: Record, cli: CLI) -> None:
    record.append(call(1, user=f"user-{number}", total_us=number * 1000) for number in range(1, 101))
    arguments = ("--also", "users", "--also", "total_p95_us")
    shown = cli("by", "hour-of-week", *SINCE, *arguments)[1].splitlines()
    assert "total_p95 ms" in shown[2]
    assert shown[3].split()[1:] == ["00:00", "100", "0", "0", "0", "0", "100", "95.0", "$100.00"]
    (group,) = json.loads(cli("by", "day,provider", *SINCE, "--json", *arguments)[1])["groups"]
    assert group["keys"] == {"day": str(START), "provider": "openai"}
    assert group["others"] == {"users": 100, "total_p95_us": 95_000}


def test_the_most_expensive_sessions_and_the_slowest_models_can_be_asked(record: Record, cli: CLI) -> None:
    record.append(
        [
            call(1, session="cheap", model="slow", total_us=9_000),
            call(5, session="costly", model="quick", total_us=1_000),
        ]
    )
    assert "costly" in cli("by", "session", *SINCE, "--limit", "1")[1]
    assert "slow" in cli("by", "model", *SINCE, "--order", "total_p50_us")[1].splitlines()[3]


@pytest.mark.parametrize("wrong", ["nonsense", "tag.", "model,nonsense", "", "day,hour"])
def test_what_is_no_dimension_is_refused(record: Record, cli: CLI, wrong: str) -> None:
    record.append([call(1)])
    assert cli("by", wrong, *SINCE)[0] == 64


def test_csv_has_every_group_and_exact_money(record: Record, cli: CLI) -> None:
    record.append([call(1, app="=SUM(A1)"), *(call(2, app=f"a{number}") for number in range(70))])
    shown = cli("by", "app", "--since", "2020-01-01", "--csv")[1]
    rows = list(csv.DictReader(io.StringIO(shown)))
    assert len(rows) == 71
    assert {row["app"] for row in rows} >= {"'=SUM(A1)", "a0"}
    assert {row["cost_usd"] for row in rows} == {"1", "2"}
    (others,) = [
        row
        for row in csv.DictReader(
            io.StringIO(cli("by", "app", "--since", "2020-01-01", "--csv", "--limit", "1")[1])
        )
        if row["app"] == "(others)"
    ]
    assert (others["calls"], others["cost_usd"]) == ("70", "139")
    assert cli("today", "--json", "--csv")[0] == 64


def test_a_limit_fails_for_groups_too(record: Record, cli: CLI) -> None:
    record.append([call(3, app="a")])
    for form in ((), ("--json",), ("--csv",)):
        status, shown, told = cli("by", "app", "--since", "2020-01-01", "--fail-over", "2.50", *form)
        assert (status, "is over" in told) == (1, True)
        assert shown
    assert cli("by", "app", "--since", "2020-01-01", "--fail-over", "3")[0] == 0
    assert json.loads(cli("by", "app", "--since", "2020-01-01", "--fail-over", "2", "--json")[1])
