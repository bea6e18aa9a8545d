"""`farebox budget`: set, list, show, remove, and the questions it asks before it loosens."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "ledger"))
import calls

from farebox.budgets.budget import Budget, Period
from farebox.cli.budgets.budget_list import list_budgets, show
from farebox.cli.budgets.budget_setting import remove, set_budget
from farebox.cli.budgets.budget_simulation import simulate
from farebox.cli.budgets.definition_flags import DefinitionFlags, WhereFlags, definition
from farebox.cli.options import Place
from farebox.control.publish import publish
from farebox.errors import ConfigError, UsageError
from farebox.server.api.limits.budget_views import overshoot
from farebox.snapshot import SnapshotReader, read_snapshot

DAILY = DefinitionFlags(limit="25", period="day", timezone="Europe/Berlin")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


AGO = time.time_ns() - calls.DAY


@contextlib.contextmanager
def recorded(*ended: Any) -> Iterator[None]:
    """Have calls in the record of this home."""
    ledger = calls.TestLedger(Place().state())
    ledger.append(*ended)
    ledger.connection.close()
    yield


def published() -> dict[str, Budget]:
    return {each.name: each for each in read_snapshot(Place().state()).budgets}


def test_a_budget_that_is_set_reaches_the_proxy(capsys: pytest.CaptureFixture[str]) -> None:
    proxy = SnapshotReader(Place().state())
    assert set_budget("acme-daily", limits=DAILY, where=WhereFlags(customer=["acme"])) == 0
    assert "$25.00 of cost a day, customer acme" in capsys.readouterr().out
    assert proxy.renew()
    assert proxy.current.budgets == (
        Budget(
            name="acme-daily",
            where={"customer": ("acme",)},
            limit_pico=25 * 10**12,
            period=Period(kind="day"),
            timezone="Europe/Berlin",
        ),
    )


def test_flags_say_what_the_file_can_say() -> None:
    found = definition(
        "b",
        WhereFlags(customer=["a", "b"], parent_agent=["x"], tag=["Feature=sum=mary"], exempt=["nightly"]),
        DefinitionFlags(
            price="5",
            period="rolling 24h",
            each="tag.team",
            mode="hard",
            stream="finish",
            unpriced="ceiling",
            ceiling="0.5",
            wait="2m",
            reserve="likely",
        ),
    )
    assert found == Budget(
        name="b",
        where={"customer": ("a", "b"), "parent_agent": ("x",), "tag.feature": ("sum=mary",)},
        each="tag.team",
        exempt=("nightly",),
        limit_pico=5 * 10**12,
        measure="price",
        period=Period(kind="rolling", rolling_s=86_400),
        stream="finish",
        ceiling_pico=5 * 10**11,
        wait_s=120,
        reserve="likely",
    )


def test_every_mistake_of_a_command_line_is_told_at_once_with_its_flag() -> None:
    with pytest.raises(UsageError) as caught:
        set_budget(
            "Daily", limits=DefinitionFlags(limit="-5", period="dai", timezone="Berlin", each="sesion")
        )
    told = str(caught.value).splitlines()
    assert {line.split(": ")[1] for line in told} == {"--limit", "--period", "--each", "--timezone", "NAME"}
    assert published() == {}


def test_a_bad_tag_and_two_limits_hide_no_other_mistakes() -> None:
    with pytest.raises(UsageError) as caught:
        set_budget(
            "Daily",
            limits=DefinitionFlags(limit="5", price="1", period="dai", each="sesion"),
            where=WhereFlags(tag=["feature", "=x", "team=core"]),
        )
    told = [line.split(": ")[1] for line in str(caught.value).splitlines()]
    assert set(told) == {"--tag", "--price", "--period", "--each", "NAME"}
    assert told.count("--tag") == 2
    with pytest.raises(UsageError, match="--tag: found 'feature', expected NAME=VALUE"):
        set_budget("daily", limits=DAILY, where=WhereFlags(tag=["feature"]))
    assert published() == {}


def test_what_is_not_named_stays_as_it_was_and_a_stricter_limit_needs_no_question() -> None:
    set_budget("daily", limits=DAILY, where=WhereFlags(customer=["acme"]))
    set_budget("daily", limits=DefinitionFlags(limit="20"))
    found = published()["daily"]
    assert (found.limit_pico, found.where, found.timezone) == (
        20 * 10**12,
        {"customer": ("acme",)},
        "Europe/Berlin",
    )


@pytest.mark.parametrize(
    ("change", "where", "told"),
    [
        (DefinitionFlags(limit="26"), None, r"limit \$25 becomes \$26"),
        (DefinitionFlags(mode="soft"), None, "mode hard becomes soft"),
        (DefinitionFlags(stream="finish"), None, "stream cut becomes finish"),
        (DefinitionFlags(unpriced="allow"), None, "unpriced ceiling becomes allow"),
        (DefinitionFlags(reserve="likely"), None, "reserve worst becomes likely"),
        (DefinitionFlags(ceiling="0.01"), None, "ceiling of calls without a price becomes lower"),
        (DefinitionFlags(period="week"), None, "counts anew"),
        (None, WhereFlags(customer=["other"]), "for other calls"),
        (None, WhereFlags(exempt=["nightly"]), "nightly becomes exempt"),
    ],
)
def test_what_allows_more_is_asked_for_and_refused_where_nobody_can_be_asked(
    change: DefinitionFlags | None, where: WhereFlags | None, told: str
) -> None:
    set_budget("daily", limits=DAILY)
    before = published()
    with pytest.raises(UsageError, match=told):
        set_budget("daily", limits=change, where=where)
    assert published() == before
    assert set_budget("daily", limits=change, where=where, yes=True) == 0
    assert published() != before


def test_on_a_terminal_a_no_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_budget("daily", limits=DAILY)
    for stream in ("stdin", "stdout"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)
    asked: list[str] = []

    def reply(question: str) -> str:
        asked.append(question)
        return "no" if len(asked) == 1 else "yes"

    monkeypatch.setattr("builtins.input", reply)
    assert set_budget("daily", limits=DefinitionFlags(limit="30")) == 1
    assert published()["daily"].limit_pico == 25 * 10**12
    assert set_budget("daily", limits=DefinitionFlags(limit="30")) == 0
    assert published()["daily"].limit_pico == 30 * 10**12
    assert all("limit $25 becomes $30" in each for each in asked)


def test_a_name_of_the_file_is_changed_there() -> None:
    home = Place().state()
    home.config.write_text('budgets:\n  - {name: daily, limit: "1", period: day}\n')
    with pytest.raises(UsageError, match=r"farebox\.yaml:2: change it there"):
        set_budget("daily", limits=DAILY)
    with pytest.raises(UsageError, match=r"farebox\.yaml:2: change it there"):
        remove("daily", yes=True)
    assert published()["daily"].limit_pico == 10**12


def test_a_budget_is_removed_after_a_yes_only() -> None:
    set_budget("daily", limits=DAILY)
    with pytest.raises(UsageError, match="nothing was removed"):
        remove("daily")
    assert "daily" in published()
    assert remove("daily", yes=True) == 0
    assert published() == {}
    with pytest.raises(UsageError, match="there is no budget 'daily'"):
        remove("daily", yes=True)


def test_a_name_that_no_budget_has_is_told_the_nearest() -> None:
    set_budget("daily", limits=DAILY)
    with pytest.raises(UsageError, match='did you mean "daily"'):
        show("daliy")


def test_the_list_shows_the_files_budgets_as_they_are_now_though_nothing_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = Place().state()
    home.config.write_text('budgets:\n  - {name: zonal, limit: "1", period: day, timezone: Asia/Tokyo}\n')
    assert list_budgets(as_json=True) == 0
    (found,) = json.loads(capsys.readouterr().out)["budgets"]
    assert (found["name"], found["limit_usd"], found["origin"]) == ("zonal", "1", "farebox.yaml:2")
    assert found["resets_at"].endswith("T15:00:00.000000Z"), "midnight in Tokyo"


def test_a_bad_file_is_told_in_the_list_and_its_last_budgets_stand(
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = Place().state()
    home.config.write_text('budgets:\n  - {name: zonal, limit: "1", period: day}\n')
    list_budgets()
    home.config.write_text('budgets:\n  - {name: zonal, limit: "-1", period: day}\n')
    capsys.readouterr()
    with recorded(calls.done(AGO)):
        assert list_budgets() == 0
        said = capsys.readouterr()
        assert "farebox.yaml:2: budgets[0].limit" in said.err
        assert re.search(r"zonal +all calls +\$1\.00", said.out)
        assert simulate("zonal", limits=DefinitionFlags(limit="0.00001")) == 0
    assert "would have blocked 1 call" in capsys.readouterr().out
    assert published()["zonal"].limit_pico == 10**12


def test_each_change_is_in_the_audit() -> None:
    from sqlalchemy import select

    from farebox.control.database import open_control
    from farebox.control.schema import audit

    set_budget("daily", limits=DAILY)
    remove("daily", yes=True)
    with open_control(Place().state()).reading() as connection:
        rows = connection.execute(select(audit).order_by(audit.c.at)).all()
    assert [(row.action, row.subject) for row in rows] == [
        ("budget.set", "daily"),
        ("budget.remove", "daily"),
    ]
    assert "25000000000000" in rows[0].detail


def test_simulating_shows_when_whom_how_many_and_how_much(capsys: pytest.CaptureFixture[str]) -> None:
    with recorded(*(calls.done(AGO + at, attribution={"customer": "acme"}) for at in range(10))):
        assert simulate(limits=DefinitionFlags(limit="0.0001", period="ever")) == 0
    said = capsys.readouterr().out
    assert "10 calls" in said and "would have blocked 8 calls and saved $0.0003" in said
    assert "customer acme" in said
    simulate("b", limits=DefinitionFlags(limit="0.0001", period="ever"), as_json=True)
    found = json.loads(capsys.readouterr().out)["simulation"]
    assert (found["name"], found["calls"], found["blocked_calls"]) == ("b", 10, 8)
    assert found["saved_pico"] == str(8 * 15 * calls.PICO_PER_TOKEN)
    assert [each["calls"] for each in found["windows"]] == [8]
    assert found["whom"] == [
        {"whom": {"customer": "acme"}, "calls": 8, "saved_pico": found["saved_pico"], "saved_usd": "0.0003"}
    ]


def test_a_set_budget_is_simulated_as_flags_would_change_it_and_stays_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_budget("daily", limits=DAILY)
    before = published()
    capsys.readouterr()
    with recorded(calls.done(AGO)):
        simulate("daily")
        assert "would have blocked nothing" in capsys.readouterr().out
        simulate("daily", limits=DefinitionFlags(limit="0.00001"))
    assert "would have blocked 1 call" in capsys.readouterr().out
    assert published() == before


def test_a_files_budgets_are_simulated_before_they_are_in_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "planned.yaml"
    file.write_text('budgets:\n  - {name: planned, limit: "0.00001", period: day}\n')
    with recorded(calls.done(AGO)):
        assert simulate(file=file) == 0
    assert "planned" in capsys.readouterr().out
    file.write_text('budgets:\n  - {name: planned, limit: "-1", period: dai}\n')
    with pytest.raises(ConfigError) as caught:
        simulate(file=file)
    assert [each.line for each in caught.value.findings] == [2, 2]


def test_what_cannot_be_simulated_is_told() -> None:
    with pytest.raises(UsageError, match="or say one: --limit"):
        simulate()
    with pytest.raises(UsageError, match="there is no budget 'daily'"):
        simulate("daily")


BAD = 'budgets:\n  - {name: zonal, limit: "-1", period: day}\n'
GOOD = 'budgets:\n  - {name: zonal, limit: "1", period: day}\n'


def test_status_and_health_say_that_a_bad_file_is_not_in_force(capsys: pytest.CaptureFixture[str]) -> None:
    from farebox.cli.daemon.health import health
    from farebox.cli.daemon.status import status

    home = Place().state()
    home.config.write_text(GOOD)
    list_budgets()
    capsys.readouterr()
    health()
    assert "stays" not in capsys.readouterr().out
    home.config.write_text(BAD)
    publish(home)
    health()
    assert re.search(r"farebox.yaml:2: budgets\[0\].limit.*what was in force stays", capsys.readouterr().out)
    health(as_json=True)
    assert len(json.loads(capsys.readouterr().out)["notes"]) == 1
    with recorded(calls.done(AGO)):
        assert status() == 0
    said = capsys.readouterr().out
    assert "1 mistake in the configuration" in said and "1 call recorded" in said


def test_a_name_in_file_and_command_is_told_by_status_and_config_check(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from farebox.cli.config import check
    from farebox.cli.daemon.status import status

    home = Place().state()
    set_budget("zonal", limits=DAILY)
    home.config.write_text(GOOD)
    publish(home)
    capsys.readouterr()
    assert check() == 78
    told = "farebox.yaml:2: budgets.zonal: found a name that `farebox budget set` has set, too"
    assert told in capsys.readouterr().out
    status()
    assert told in capsys.readouterr().out
    assert published()["zonal"].limit_pico == 25 * 10**12
    home.config.unlink()
    publish(home)
    assert check() == 0


def test_status_says_that_something_is_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    from farebox.cli.daemon.status import status
    from farebox.cli.stops import stop_session

    stop_session("s1")
    capsys.readouterr()
    status()
    assert "1 stop in force" in capsys.readouterr().out


def test_the_list_shows_the_very_figures_of_the_counters(capsys: pytest.CaptureFixture[str]) -> None:
    """AT-G2: what is shown is what is enforced, to the pico."""
    from farebox.budgets.counters import Counters, account_of

    set_budget("daily", limits=DAILY)
    set_budget("per-session", limits=DefinitionFlags(limit="2", period="session"))
    home = Place().state()
    with recorded(*(calls.done(time.time_ns(), attribution={"session": f"s{at}"}) for at in range(3))):
        capsys.readouterr()
        list_budgets(as_json=True)
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)["budgets"]}
    counters = Counters(home)
    daily = counters.figures(account_of(published()["daily"], None, time.time_ns()), 25 * 10**12)
    said = found["daily"]["figures"]
    assert (said["spent_pico"], said["reserved_pico"], said["left_pico"]) == (
        str(daily.spent),
        str(daily.reserved),
        str(daily.left),
    )
    assert {each["value"] for each in found["per-session"]["values"]} == {"s0", "s1", "s2"}
    assert [each["calls"] for each in found["per-session"]["values"]] == [1, 1, 1]
    assert (found["daily"]["calls"], found["daily"]["unpriced_calls"]) == (3, 0)
    counters.close()


def test_calls_without_a_price_are_counted_in_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    set_budget("daily", limits=DAILY, where=WhereFlags(model=["un*"]))
    now = time.time_ns()
    with recorded(calls.done(now, model="unheard-of"), calls.done(now + 1)):
        capsys.readouterr()
        list_budgets()
    assert "daily: 1 call unpriced" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, "holds: calls whose worst case does not fit are not sent"),
        ({"mode": "soft"}, "refuses nothing"),
        ({"reserve": "likely"}, "may pass by at most $0.12 now, what calls in flight can cost beyond"),
        ({"unpriced": "allow"}, "may pass by any amount while calls that nothing bounds run"),
        ({"ceiling_pico": 10**12}, "what a call without a price costs beyond $1.00"),
        ({"stream": "finish"}, "what streams cost beyond what was held"),
    ],
)
def test_by_how_much_a_budget_may_be_passed_is_said(more: dict[str, Any], told: str) -> None:
    found = Budget(name="b", limit_pico=1, period=Period(kind="day"), **more)
    assert told in overshoot(found, 12 * 10**10)


def test_bad_input_is_refused_with_all_findings_and_the_status_of_a_wrong_command_line() -> None:
    """The acceptance line of the issue, as a person sees it."""
    home = Place().state()
    farebox = [sys.executable, "-m", "farebox.cli"]

    def run(*words: str) -> tuple[int, list[str]]:
        done = subprocess.run([*farebox, *words], capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, [line for line in done.stderr.splitlines() if ": found " in line]

    status, told = run("budget", "set", "b", "--limit", "-5", "--period", "dai", "--timezone", "Mars/Olympus",
                       "--each", "colour")  # fmt: skip
    assert (status, len(told)) == (64, 4)
    home.config.write_text(
        "budgets:\n"
        "  - {name: twice, where: {colour: red}, limit: -1, period: day}\n"
        '  - {name: twice, limit: "1", period: day, timezone: Mars/Olympus}\n'
    )
    status, _ = run("budget", "list")
    assert status == 0, "the last good state is shown"
    checked = subprocess.run([*farebox, "config", "check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 78
    places = [
        line.partition(": found")[0].rpartition("farebox.yaml")[2] for line in checked.stdout.splitlines()
    ]
    assert places[:4] == [
        ":2: budgets[0].where.colour",
        ":2: budgets[0].limit",
        ":3: budgets[1].timezone",
        ":3: budgets[1].name",
    ]
