"""Budgets and stops: kept, published, and unharmed by a file that is wrong."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from farebox.budgets.budget import Budget, Period, Stop
from farebox.control import budgets
from farebox.control.database import ControlDatabase, open_control
from farebox.control.publish import change, publish
from farebox.errors import ControlDamagedError
from farebox.home import Home
from farebox.server.publication import Publication
from farebox.snapshot import SnapshotReader, read_snapshot

DAILY = Budget(name="daily", limit_pico=5 * 10**12, period=Period(kind="day"))
WEEKLY = Budget(name="weekly", limit_pico=10**12, period=Period(kind="week"), where={"customer": ("acme",)})


def put(home: Home, budget: Budget) -> None:
    with change(home) as connection:
        budgets.put(connection, budget, 1)


def names(home: Home) -> list[tuple[str, str]]:
    return [(each.name, each.origin) for each in read_snapshot(home).budgets]


def test_a_budget_set_by_command_is_published_whole_and_removed(home: Home) -> None:
    put(home, WEEKLY)
    assert read_snapshot(home).budgets == (WEEKLY,)
    with change(home) as connection:
        assert budgets.remove(connection, "weekly") and not budgets.remove(connection, "weekly")
    assert read_snapshot(home).budgets == ()


def test_setting_one_again_returns_what_was_there(home: Home) -> None:
    with change(home) as connection:
        assert budgets.put(connection, DAILY, 1) is None
        other = Budget(name="daily", limit_pico=1, period=Period(kind="ever"))
        assert budgets.put(connection, other, 2) == DAILY
        assert budgets.budgets(connection) == {"daily": other}


def test_budgets_of_file_and_command_stand_side_by_side_by_name(home: Home) -> None:
    put(home, WEEKLY)
    home.config.write_text('budgets:\n  - {name: zonal, limit: "1", period: day}\n')
    assert [each.name for each in publish(home).budgets] == ["weekly", "zonal"]
    assert names(home) == [("weekly", "command"), ("zonal", "farebox.yaml:2")]


def test_a_file_alone_publishes_its_budgets_without_a_control_database(home: Home) -> None:
    home.config.write_text('budgets:\n  - {name: zonal, limit: "1", period: day}\n')
    assert [each.name for each in publish(home).budgets] == ["zonal"]
    assert not home.control.exists()


@pytest.mark.parametrize("with_database", [False, True])
def test_a_file_that_is_wrong_keeps_its_last_budgets_and_says_so(home: Home, with_database: bool) -> None:
    if with_database:
        put(home, WEEKLY)
    home.config.write_text('budgets:\n  - {name: zonal, limit: "1", period: day}\n')
    publish(home)
    before = names(home)
    home.config.write_text("budgets:\n  - {name: zonal, limit: -1, period: dai}\n")
    publish(home)
    assert names(home) == before
    problems = read_snapshot(home).problems
    assert len(problems) == 2 and all(f"{home.config}:2" in each for each in problems)
    home.config.write_text('budgets:\n  - {name: zonal, limit: "3", period: day}\n')
    publish(home)
    assert read_snapshot(home).problems == ()
    assert {each.limit_pico for each in read_snapshot(home).budgets if each.name == "zonal"} == {3 * 10**12}
    home.config.unlink()
    publish(home)
    assert [name for name, _ in names(home)] == (["weekly"] if with_database else [])


def test_a_name_in_the_file_and_set_by_command_is_told_and_changes_nothing(home: Home) -> None:
    put(home, DAILY)
    home.config.write_text('budgets:\n  - {name: other, limit: "1", period: day}\n')
    publish(home)
    home.config.write_text(
        'budgets:\n  - {name: other, limit: "2", period: day}\n  - {name: daily, limit: "9", period: day}\n'
    )
    found = publish(home)
    assert {each.name: each.limit_pico for each in found.budgets} == {"daily": 5 * 10**12, "other": 10**12}
    assert len(found.problems) == 1
    assert f"{home.config}:3" in found.problems[0] and "budgets.daily" in found.problems[0]
    with change(home) as connection:
        budgets.remove(connection, "daily")
    found = read_snapshot(home)
    assert {each.name: each.limit_pico for each in found.budgets} == {
        "daily": 9 * 10**12,
        "other": 2 * 10**12,
    }
    assert found.problems == ()


def test_at_the_first_publication_the_file_goes_first(home: Home) -> None:
    """Of a restored home there may be no snapshot yet: no budget is left out."""
    put(home, DAILY)
    home.snapshot.unlink()
    home.config.write_text('budgets:\n  - {name: daily, limit: "9", period: day}\n')
    found = publish(home)
    assert [each.limit_pico for each in found.budgets] == [9 * 10**12] and found.problems


def test_a_running_server_takes_a_changed_file_over_and_keeps_the_old_state_of_a_bad_one(home: Home) -> None:
    server, proxy = Publication(home), SnapshotReader(home)
    home.config.write_text('budgets:\n  - {name: zonal, limit: "1", period: day}\n')
    server.renew()
    assert proxy.renew() and [each.limit_pico for each in proxy.current.budgets] == [10**12]
    home.config.write_text('budgets:\n  - {name: zonal, limit: "2.5", period: day}\n')
    server.renew()
    assert proxy.renew() and [each.limit_pico for each in proxy.current.budgets] == [25 * 10**11]
    home.config.write_text("budgets:\n  - {name: zonal, limit: lots, period: day}\n")
    server.renew()
    assert proxy.renew() and [each.limit_pico for each in proxy.current.budgets] == [25 * 10**11]
    assert proxy.current.problems


def test_budgets_stand_in_the_homes_file_only(home: Home, tmp_path: Path) -> None:
    from farebox.config import read_layers

    named = tmp_path / "named.yaml"
    named.write_text('budgets:\n  - {name: a, limit: "1", period: day}\n')
    findings = read_layers(home, named, prices=False).findings
    assert [(each.line, each.key) for each in findings] == [(2, "budgets")]
    assert str(home.config) in findings[0].expected


def test_stops_are_published_the_newest_first_until_they_are_lifted(home: Home) -> None:
    first = Stop(dimension="session", value="s1", reason="runs away", since_ns=1, by="uid:1")
    second = Stop(dimension="key", value="backend", since_ns=2, by="uid:1")
    with change(home) as connection:
        assert budgets.stop(connection, first) and budgets.stop(connection, second)
    assert read_snapshot(home).stops == (second, first)
    with change(home) as connection:
        again = Stop(dimension="session", value="s1", reason="still", since_ns=9, by="uid:2")
        assert not budgets.stop(connection, again)
    assert read_snapshot(home).stops[1].reason == "still" and read_snapshot(home).stops[1].since_ns == 1
    with change(home) as connection:
        assert budgets.lift(connection, "session", "s1") and not budgets.lift(connection, "session", "s1")
    assert read_snapshot(home).stops == (second,)


@pytest.mark.parametrize(
    "damage", ["UPDATE budget SET definition = replace(definition, '5', '9')", "DELETE FROM stop"]
)
def test_a_budget_or_stop_that_was_changed_outside_is_noticed_and_the_last_ones_stay(
    home: Home, damage: str
) -> None:
    put(home, DAILY)
    with change(home) as connection:
        budgets.stop(connection, Stop(dimension="session", value="s1", since_ns=1))
    with sqlite3.connect(home.control) as raw:
        raw.execute(damage)
    raw.close()
    with pytest.raises(ControlDamagedError, match="do not match their checksum"):
        publish(home)
    assert read_snapshot(home).budgets == (DAILY,) and read_snapshot(home).stops


def test_a_database_of_before_budgets_is_brought_up_to_date_and_keeps_what_it_had(home: Home) -> None:
    from farebox.config import KeyConfig
    from farebox.control import keys

    database = ControlDatabase(home)
    with database.filling("0001") as connection:
        keys.label(connection, "0" * 16, KeyConfig(label="backend"), 1)
    put(home, DAILY)
    assert read_snapshot(home).labelled["0" * 16].label == "backend"
    with open_control(home).reading() as connection:
        assert budgets.budgets(connection) == {"daily": DAILY}
