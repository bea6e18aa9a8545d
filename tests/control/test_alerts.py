"""Alerts and snoozes: kept, published, noted in the audit, and unharmed by a file that is wrong."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest

from farebox.alerts.alert import Alert, Snooze
from farebox.alerts.event import AlertEvent
from farebox.alerts.references import Known
from farebox.budgets.budget import Budget, Period
from farebox.control import alerts
from farebox.control.alert_changes import (
    known_to_commands,
    remove_alert,
    set_alerts,
    snooze_alert,
    unsnooze_alert,
)
from farebox.control.budget_changes import remove_budget, set_budget
from farebox.control.database import open_control
from farebox.control.outbox import receivers
from farebox.control.outbox.envelope import ReceiverSettings
from farebox.control.publish import change, publish
from farebox.errors import UsageError
from farebox.home import Home
from farebox.snapshot import read_snapshot

JUMP = Alert(name="jump", kind="anomaly", subject="cost", where={"app": ("ingest",)})
DAILY = Budget(name="daily", limit_pico=5 * 10**12, period=Period(kind="day"))
OF_DAILY = Alert(name="of-daily", kind="budget", subject="daily", at=(500_000,))
FILE = "alerts:\n  - {name: models, new: model}\n"


def names(home: Home) -> list[tuple[str, str]]:
    return [(each.name, each.origin) for each in read_snapshot(home).alerts]


def audited(home: Home) -> list[tuple[str, str, str]]:
    with sqlite3.connect(home.control) as connection:
        rows = connection.execute("SELECT actor, action, subject FROM audit ORDER BY rowid").fetchall()
    connection.close()
    return rows


def name_receiver(home: Home, name: str) -> None:
    with change(home) as connection:
        receivers.add(connection, name, ReceiverSettings(url="https://example.com/hook"), 1)


def test_an_alert_set_by_command_is_published_whole_and_removed(home: Home) -> None:
    set_alerts(home, [JUMP], "uid:1", 1)
    assert read_snapshot(home).alerts == (JUMP,)
    other = msgspec.structs.replace(JUMP, severity="critical")
    set_alerts(home, [other], "uid:1", 2)
    assert read_snapshot(home).alerts == (other,)
    remove_alert(home, "jump", "token:t", 3)
    assert read_snapshot(home).alerts == ()
    assert audited(home) == [
        ("uid:1", "alert.set", "jump"),
        ("uid:1", "alert.set", "jump"),
        ("token:t", "alert.remove", "jump"),
    ]


def test_several_are_set_together_or_not_at_all(home: Home) -> None:
    wrong = msgspec.structs.replace(OF_DAILY, to=("nobody",))
    with pytest.raises(UsageError) as told:
        set_alerts(home, [JUMP, wrong], "uid:1", 1)
    assert "an unknown channel, 'nobody'" in str(told.value)
    assert "an unknown budget, 'daily'" in str(told.value)
    assert read_snapshot(home).alerts == ()
    with open_control(home).reading() as connection:
        assert alerts.alerts(connection) == {}


def test_what_commands_and_the_file_name_can_be_named(home: Home) -> None:
    home.config.write_text(
        'budgets:\n  - {name: of-file, limit: "1", period: day}\ncustomers:\n  acme: {}\n'
        "webhooks:\n  - {name: hook, url: https://example.com/h, secret: {env: SECRET}}\n"
    )
    publish(home)
    set_budget(home, DAILY, "uid:1", 1)
    name_receiver(home, "ops")
    said = [
        msgspec.structs.replace(OF_DAILY, to=("ops", "hook")),
        Alert(name="f", kind="budget", subject="of-file", at=(1,)),
        Alert(name="w", kind="wallet", subject="acme", at=(1,)),
    ]
    set_alerts(home, said, "uid:1", 2)
    assert [name for name, _ in names(home)] == ["f", "of-daily", "w"]
    assert known_to_commands(home) == Known(channels=frozenset(["ops"]), budgets={"daily": "hard"})


def test_a_budget_that_is_watched_is_not_removed(home: Home) -> None:
    set_budget(home, DAILY, "uid:1", 1)
    set_alerts(home, [OF_DAILY], "uid:1", 2)
    with pytest.raises(UsageError, match="the alert of-daily watches daily: remove that first"):
        remove_budget(home, "daily", "uid:1", 3)
    remove_alert(home, "of-daily", "uid:1", 4)
    remove_budget(home, "daily", "uid:1", 5)
    assert read_snapshot(home).budgets == ()


def test_alerts_of_file_and_command_stand_side_by_side_by_name(home: Home) -> None:
    set_alerts(home, [JUMP], "uid:1", 1)
    home.config.write_text(FILE)
    publish(home)
    assert names(home) == [("jump", "command"), ("models", "farebox.yaml:2")]
    with pytest.raises(UsageError, match=r"models is in farebox\.yaml:2: change it there"):
        set_alerts(home, [msgspec.structs.replace(JUMP, name="models")], "uid:1", 2)
    with pytest.raises(UsageError, match=r"models is in farebox\.yaml:2"):
        remove_alert(home, "models", "uid:1", 2)


def test_alerts_of_a_file_alone_have_a_database_for_their_state(home: Home) -> None:
    home.config.write_text(FILE)
    assert [each.name for each in publish(home).alerts] == ["models"]
    assert home.control.exists()


def test_a_name_in_both_is_a_finding_and_the_files_alerts_stay_as_they_were(home: Home) -> None:
    home.config.write_text(FILE)
    publish(home)
    set_alerts(home, [JUMP], "uid:1", 1)
    home.config.write_text(f"{FILE}  - {{name: jump, new: key}}\n")
    found = publish(home)
    assert [each.name for each in found.alerts] == ["jump", "models"]
    assert found.alerts[0] == JUMP
    (problem,) = found.problems
    assert "farebox.yaml:3: alerts.jump: found a name that `farebox alerts set` has set, too" in problem
    assert "`farebox alerts remove jump`" in problem


def test_a_file_that_names_what_there_is_not_leaves_everything_as_it_was(home: Home) -> None:
    home.config.write_text(FILE)
    publish(home)
    wrong = (
        f"{FILE}  - {{name: a, budget: daily, to: [ops]}}\nbudgets: [{{name: b, limit: 1, period: day}}]\n"
    )
    home.config.write_text(wrong)
    found = publish(home)
    assert [each.name for each in found.alerts] == ["models"]
    assert found.budgets == ()
    assert [problem.partition(": ")[2].partition(",")[0] for problem in found.problems] == [
        "alerts[1].to[0]: found an unknown channel",
        "alerts[1].budget: found an unknown budget",
    ]
    name_receiver(home, "ops")
    set_budget(home, DAILY, "uid:1", 2)
    assert read_snapshot(home).problems == ()
    assert [name for name, _ in names(home)] == ["a", "models"]


def test_a_file_with_a_mistake_keeps_its_alerts_in_force(home: Home) -> None:
    home.config.write_text(FILE)
    publish(home)
    home.config.write_text("alerts:\n  - {name: models, new: modell}\n")
    found = publish(home)
    assert [each.subject for each in found.alerts] == ["model"]
    assert "alerts[0].new" in found.problems[0]


def test_a_snooze_is_published_replaced_and_ended(home: Home) -> None:
    set_alerts(home, [JUMP], "uid:1", 1)
    first = Snooze(alert="jump", since_ns=10, until_ns=20, by="uid:1", reason="deploy")
    snooze_alert(home, first, 10)
    assert read_snapshot(home).snoozes == (first,)
    longer = msgspec.structs.replace(first, until_ns=90)
    of_value = msgspec.structs.replace(first, value="acme", until_ns=30)
    snooze_alert(home, longer, 11)
    snooze_alert(home, of_value, 12)
    assert read_snapshot(home).snoozes == (longer, of_value)
    assert unsnooze_alert(home, "jump", "acme", "uid:1", 13) == 1
    assert unsnooze_alert(home, "jump", "acme", "uid:1", 13) == 0
    assert read_snapshot(home).snoozes == (longer,)
    assert [each[1] for each in audited(home)] == [
        "alert.set", "alert.snooze", "alert.snooze", "alert.snooze", "alert.unsnooze",
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"there is no alert 'junp'.*did you mean \"jump\""):
        snooze_alert(home, msgspec.structs.replace(first, alert="junp"), 14)


def test_ended_snoozes_are_removed_with_the_next_one(home: Home) -> None:
    set_alerts(home, [JUMP], "uid:1", 1)
    snooze_alert(home, Snooze(alert="jump", value="a", since_ns=10, until_ns=20), 10)
    later = Snooze(alert="jump", value="b", since_ns=20, until_ns=40)
    snooze_alert(home, later, 20)
    assert read_snapshot(home).snoozes == (later,)


def test_a_removed_alert_leaves_no_snooze_to_its_successor(home: Home) -> None:
    set_alerts(home, [JUMP], "uid:1", 1)
    snooze_alert(home, Snooze(alert="jump", since_ns=10, until_ns=20), 10)
    remove_alert(home, "jump", "uid:1", 11)
    set_alerts(home, [JUMP], "uid:1", 12)
    assert read_snapshot(home).snoozes == ()


def test_events_are_listed_the_newest_first_and_by_alert_and_state(home: Home) -> None:
    said = [
        event("a", "jump", "firing", 1),
        event("b", "jump", "recovered", 3),
        event("c", "other", "firing", 2),
    ]
    keep_events(home, said)
    with open_control(home).reading() as connection:
        assert [each.event.id for each in alerts.events(connection)] == ["b", "c", "a"]
        assert [each.event.id for each in alerts.events(connection, alert="jump")] == ["b", "a"]
        assert [each.event.id for each in alerts.events(connection, state="firing")] == ["c", "a"]
        assert [each.event.id for each in alerts.events(connection, since_ns=2, until_ns=3)] == ["c"]
        assert [each.event.id for each in alerts.events(connection, limit=1)] == ["b"]
        assert alerts.events(connection)[0].told == ("ops",)
        found = alerts.event_with(connection, "c")
        assert found is not None and found.event == said[2]
        assert alerts.event_with(connection, "nosuch") is None


def event(id: str, alert: str, state: str, at_ns: int) -> AlertEvent:
    return AlertEvent(
        id=id,
        alert=alert,
        kind="anomaly",
        severity="warning",
        state="firing" if state == "firing" else "recovered",
        unit="pico_usd",
        since_ns=at_ns,
        at_ns=at_ns,
        seq=1,
        from_ns=0,
        until_ns=at_ns,
    )


def keep_events(home: Home, said: list[AlertEvent]) -> None:
    open_control(home)
    with sqlite3.connect(home.control) as connection:
        connection.executemany(
            "INSERT INTO alert_event (id, alert, value, state, at, seq, body, channels_told) "
            "VALUES (?, ?, '', ?, ?, 1, ?, '[\"ops\"]')",
            [
                (each.id, each.alert, each.state, each.at_ns, msgspec.json.encode(each).decode())
                for each in said
            ],
        )
    connection.close()


def test_a_file_of_a_working_directory_may_say_no_alerts(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from farebox.config.layers import read_layers

    monkeypatch.chdir(tmp_path)
    (tmp_path / "farebox.yaml").write_text(FILE)
    layers = read_layers(home)
    assert layers.config.alerts == ()
    assert [each.key for each in layers.findings] == ["alerts"]
