"""`farebox alerts`: set, listed, tested, snoozed; what it had to say; empty states say what to do."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "ledger"))
sys.path.insert(0, str(Path(__file__).parent.parent / "control" / "outbox"))
import calls
from webhook_receiver import WebhookReceiver, status

from farebox.alerts.alert import Alert, Kind
from farebox.alerts.event import AlertEvent
from farebox.alerts.kinds import FORMS
from farebox.alerts.usual_alerts import usual_alerts
from farebox.budgets.budget import Period
from farebox.cli.app import app
from farebox.cli.exits import guarded
from farebox.cli.options import Place
from farebox.control.database import open_control
from farebox.home import Home
from farebox.server.deliveries import delivery_worker
from farebox.snapshot import read_snapshot

URL = "https://hooks.example.com/T0/secret-path"


class Told:
    """Type commands and read what they print."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.status = 0

    def __call__(self, *words: str, of: str = "alerts") -> str:
        self.status = guarded(
            lambda: app([of, *words], exit_on_error=False, print_error=False, result_action="return_value")
        )
        printed = self._capsys.readouterr()
        return printed.out + printed.err

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return Told(capsys)


@pytest.fixture
def home(told: Told) -> Home:
    return Place().state()


def published(home: Home) -> dict[str, Alert]:
    return {each.name: each for each in read_snapshot(home).alerts}


def test_without_an_alert_it_says_what_to_do(told: Told, home: Home) -> None:
    for words in ([], ["list"]):
        shown = told(*words)
        assert "No alert is set" in shown
        assert "alerts set --defaults" in shown and "--to" not in shown
        assert "under `channels:`" in shown
    assert "alerts simulate --anomaly cost" in told("simulate")
    assert "No alert is set" in told("history")
    assert told.json("list") == {"schema": "farebox.alerts/1", "alerts": [], "channels": [], "problems": []}
    assert told.json("history") == {"schema": "farebox.alert-history/1", "events": []}
    assert not home.control.exists(), "looking makes nothing"
    told("receivers", "add", "ops", URL, of="outbox")
    shown = told()
    assert "alerts set --defaults --to ops" in shown
    assert "channels:" not in shown


def test_an_alert_is_set_listed_shown_changed_and_removed(told: Told, home: Home) -> None:
    shown = told(
        "set", "big-day", "--spend", "100", "--spend", "250", "--every", "100", "--period", "day",
        "--customer", "acme", "--tag", "team=core",
    )  # fmt: skip
    assert (
        "big-day: spend above $100.00 or $250.00, then every $100.00 a day, customer acme, tag.team core"
        in shown
    )
    assert "in the history only" in shown
    assert published(home)["big-day"] == Alert(
        name="big-day",
        kind="spend",
        subject="cost",
        at=(100 * 10**12, 250 * 10**12),
        every=100 * 10**12,
        period=Period(kind="day"),
        where={"customer": ("acme",), "tag.team": ("core",)},
    )
    told("set", "big-day", "--severity", "critical", "--spend", "300")
    changed = published(home)["big-day"]
    assert (changed.at, changed.every, changed.severity) == ((300 * 10**12,), 100 * 10**12, "critical")
    assert changed.where == {"customer": ("acme",), "tag.team": ("core",)}
    told("set", "big-day", "--at", "7")
    assert published(home)["big-day"].at == (7 * 10**12,)
    (listed,) = told.json("list")["alerts"]
    assert (listed["name"], listed["watches"], listed["whose"], listed["firing"]) == (
        "big-day",
        "spend above $7.00, then every $100.00 a day",
        "customer acme, tag.team core",
        [],
    )
    assert listed["definition"]["at"] == ["7"]
    assert "quiet" in told("list")
    assert "nothing fires now" in told("show", "big-day")
    assert "nothing was removed" in told("remove", "big-day")
    assert "big-day is removed" in told("remove", "big-day", "--yes")
    assert published(home) == {}


def test_an_alert_becomes_one_of_another_kind_and_keeps_what_goes_with_it(told: Told, home: Home) -> None:
    told("set", "a", "--spend", "5", "--period", "day", "--each", "app", "--customer", "acme")
    told("set", "a", "--latency", "p99 20s")
    assert published(home)["a"] == Alert(
        name="a",
        kind="latency",
        subject="p99",
        at=(20_000_000,),
        over_s=600,
        least=20,
        each="app",
        where={"customer": ("acme",)},
    )


@pytest.mark.parametrize(
    ("words", "kind", "subject", "at"),
    [
        (["--usage", "calls 10k", "--period", "day"], "usage", "calls", (10_000,)),
        (["--rise", "cost", "--by", "50%", "--by", "100%"], "rise", "cost", (500_000, 1_000_000)),
        (["--anomaly", "price"], "anomaly", "price", ()),
        (["--new", "tag.team"], "new", "tag.team", ()),
        (["--unpriced"], "unpriced", "", ()),
        (["--prices", "stale"], "prices", "stale", ()),
        (["--cache-hits", "fall 30%"], "cache_hits", "fall", (300_000,)),
        (["--cache-lifetime", "shift"], "cache_lifetime", "shift", (250_000,)),
        (["--retries", "10%"], "retries", "", (100_000,)),
        (["--errors", "5%", "--over", "1h"], "errors", "", (50_000,)),
        (["--latency", "10s"], "latency", "p95", (10_000_000,)),
        (["--margin", "below 20%"], "margin", "below", (200_000,)),
        (["--no-data", "30m"], "no_data", "", ()),
        (["--missing"], "missing", "records", ()),
        (["--unmetered"], "unmetered", "clients", ()),
    ],
)
def test_each_kind_has_a_flag(
    told: Told, home: Home, words: list[str], kind: Kind, subject: str, at: tuple[int, ...]
) -> None:
    told("set", "a", *words)
    found = published(home)["a"]
    assert (found.kind, found.subject, found.at) == (kind, subject, at)


def test_budgets_and_wallets_are_named_by_flags(told: Told, home: Home) -> None:
    told("set", "daily", "--limit", "5", "--period", "day", of="budget")
    told("set", "acme", of="customers")
    told("set", "a", "--budget", "daily", "--at", "80%")
    told("set", "w", "--wallet", "acme", "--below", "10", "--below", "2")
    found = published(home)
    assert (found["a"].subject, found["a"].at) == ("daily", (800_000,))
    assert (found["w"].subject, found["w"].at) == ("acme", (2 * 10**12, 10 * 10**12))
    assert "the wallet of acme below 10.00 or 2.00" in told("show", "w")
    assert "the alert a watches daily" in told("remove", "daily", "--yes", of="budget")


def test_every_kind_says_in_words_what_it_watches(told: Told) -> None:
    from farebox.alerts.alert_words import watched_words

    for kind, form in FORMS.items():
        subject = form.subject or (form.words or ("x",))[0]
        alert = Alert(name="a", kind=kind, subject=subject, at=form.at or (10**12,), over_s=60, every=None)
        assert watched_words(alert)


def test_everything_that_is_wrong_is_told_at_once(told: Told, home: Home) -> None:
    shown = told(
        "set", "a", "--budget", "nosuch", "--at", "50%", "--at", "20%", "--to", "nobody",
        "--severity", "loud", "--tag", "team",
    )  # fmt: skip
    assert told.status == 64
    for place in ("--at", "--budget", "--to", "--severity", "--tag"):
        assert f"the command line: {place}: found" in shown, shown
    assert published(home) == {}
    assert "name the alert" in told("set", "--anomaly", "cost")
    assert "what is watched, one of spend" in told("set", "a", "--to", "ops")


def test_the_usual_alerts_are_set_only_when_asked_for(told: Told, home: Home) -> None:
    told("receivers", "add", "ops", URL, of="outbox")
    told("set", "new-model", "--new", "model", "--severity", "critical")
    shown = told("set", "--defaults", "--to", "ops")
    assert f"{len(usual_alerts()) - 1} alerts set" in shown
    found = published(home)
    assert set(found) == {each.name for each in usual_alerts()}
    assert found["unusual-spend"].to == ("ops",)
    assert (found["new-model"].severity, found["new-model"].to) == ("critical", ()), "its own stays"
    assert "All of them are set already" in told("set", "--defaults", "--to", "ops")
    assert "besides it, only --to" in told("set", "mine", "--defaults")
    assert "an unknown channel, 'opps'" in told("set", "x", "--new", "key", "--to", "opps")


def test_an_alert_of_the_file_is_listed_and_not_changed(told: Told, home: Home) -> None:
    home.config.write_text("alerts:\n  - {name: models, new: model}\n")
    assert "models" in told("list")
    for words in (["set", "models", "--new", "key"], ["remove", "models", "--yes"]):
        assert "models is in farebox.yaml:2: change it there" in told(*words)
    told("set", "jump", "--anomaly", "cost")
    home.config.write_text("alerts:\n  - {name: jump, new: model}\n")
    shown = told("list")
    assert "`farebox alerts set` has set, too" in shown
    assert "models" in shown, "the file's alerts stay as they were"
    assert "has set, too" in told("check", of="config")


def test_what_an_alert_names_and_is_gone_is_said(told: Told, home: Home) -> None:
    told("receivers", "add", "ops", URL, of="outbox")
    told("set", "a", "--new", "model", "--to", "ops")
    told("receivers", "remove", "ops", of="outbox")
    assert "a: an unknown channel, 'ops'" in told("list")
    assert "an unknown channel" in told("test", "a")
    assert told.status == 64


def test_a_snooze_says_until_when_and_ends(told: Told, home: Home) -> None:
    told("set", "jump", "--anomaly", "cost", "--each", "app")
    assert "Nobody is told of jump until" in told("snooze", "jump", "--for", "2h", "--reason", "deploy")
    (snooze,) = read_snapshot(home).snoozes
    assert (snooze.until_ns - snooze.since_ns, snooze.reason) == (7_200 * 10**9, "deploy")
    assert "snoozed until" in told("list")
    assert "snoozed until" in told("show", "jump")
    told("snooze", "jump", "--value", "ingest")
    assert [each["value"] for each in told.json("list")["alerts"][0]["snoozes"]] == [None, "ingest"]
    assert told.json("unsnooze", "jump", "--value", "ingest")["snoozes"][0]["value"] is None
    assert "1 snooze of jump ended" in told("unsnooze", "jump")
    assert "jump is not snoozed" in told("unsnooze", "jump")
    assert told.status == 1
    assert "no time to snooze for" in told("snooze", "jump", "--for", "ever")
    assert 'did you mean "jump"' in told("snooze", "junp")
    key = "sk-proj-abcdefghijklmnopqrstuvwxyz012345"
    assert "no key in it" in told("snooze", "jump", "--reason", f"for {key}")


def test_history_shows_what_fired_and_who_was_told(told: Told, home: Home) -> None:
    told("set", "jump", "--anomaly", "cost")
    assert "No alert had anything to say yet" in told("history")
    assert "alerts test jump" in told("history")
    keep(home, event("a", "firing", 1), ["ops"])
    keep(home, event("b", "recovered", 2), [])
    shown = told("history", "--tz", "UTC")
    first, second = shown.splitlines()[1:3]
    assert "1970-01-01 00:02" in first and "recovered" in first and "nobody" in first
    assert "jump: unusual cost in this hour: $5.00" in second and "ops" in second
    assert "median $1.00 an hour" in shown
    found = told.json("history", "--state", "firing")["events"]
    assert [(each["id"], each["measured"], each["unit"], each["told"]) for each in found] == [
        ("a", "5", "USD", ["ops"])
    ]
    assert "Nothing of that kind" in told("history", "other")
    assert [each["id"] for each in told.json("history", "--limit", "1")["events"]] == ["b"]


def test_what_fires_now_is_listed(told: Told, home: Home) -> None:
    told("set", "jump", "--anomaly", "cost")
    keep(home, event("a", "firing", 1), ["ops"])
    with sqlite3.connect(home.control) as connection:
        connection.execute("INSERT INTO alert_state VALUES ('jump', '', 0, 0, 'k', 'firing', 1, 60, 'a')")
    connection.close()
    assert "firing" in told("list")
    assert "firing since 1970-01-01T00:01Z: jump: unusual cost" in told("show", "jump")
    (listed,) = told.json("list")["alerts"]
    assert listed["firing"][0]["words"].startswith("jump: unusual cost")


def event(id: str, state: Any, minute: int) -> AlertEvent:
    at_ns = minute * 60 * 10**9
    return AlertEvent(
        id=id,
        alert="jump",
        kind="anomaly",
        subject="cost",
        severity="warning",
        state=state,
        measured=5 * 10**12,
        unit="pico_usd",
        basis="median $1.00 an hour",
        since_ns=at_ns,
        at_ns=at_ns,
        seq=1,
        from_ns=0,
        until_ns=at_ns,
    )


def keep(home: Home, said: AlertEvent, told: list[str]) -> None:
    body, names = msgspec.json.encode(said).decode(), json.dumps(told)
    with sqlite3.connect(home.control) as connection:
        connection.execute(
            "INSERT INTO alert_event VALUES (?, ?, '', ?, ?, 1, ?, ?)",
            (said.id, said.alert, said.state, said.at_ns, body, names),
        )
    connection.close()


@pytest.fixture
def serving(home: Home) -> Iterator[None]:
    """The server's worker, and the announcement of a server that runs."""

    (home.run / "server.json").write_text(json.dumps({"pid": os.getpid(), "host": "127.0.0.1", "port": 1}))
    worker = delivery_worker(home)
    worker.start()
    yield
    worker.close()


def test_a_test_reaches_each_channel_and_says_how_it_was_received(
    told: Told, home: Home, serving: None
) -> None:
    with WebhookReceiver() as good, WebhookReceiver(lambda *_: status(403, b"who are you?")) as bad:
        told("receivers", "add", "ops", good.url, of="outbox")
        told("receivers", "add", "other", bad.url, of="outbox")
        told("set", "jump", "--anomaly", "cost", "--to", "ops", "--to", "other")
        shown = told("test", "jump")
        assert told.status == 1
        assert "has arrived at ops" in shown
        assert "has not arrived at other: status 403: who are you?" in shown
        told("set", "jump", "--to", "ops")
        (found,) = told.json("test", "jump")["channels"]
        assert (found["receiver"], found["outcome"], told.status) == ("ops", "arrived", 0)
    told_of = json.loads(good.requests[0].body)
    assert told_of["type"] == "alert.test"
    assert told_of["data"]["title"].startswith("Test: jump: unusual cost in this hour")


def test_a_test_without_a_server_or_a_channel_says_so(told: Told, home: Home) -> None:
    told("set", "jump", "--anomaly", "cost")
    assert "names no channel" in told("test", "jump")
    told("receivers", "add", "ops", URL, of="outbox")
    told("set", "jump", "--to", "ops")
    assert "it is sent once Farebox runs" in told("test", "jump")
    with open_control(home).reading() as connection:
        from farebox.control.outbox.messages import deliveries

        (waiting,) = deliveries(connection)
    assert (waiting.kind, waiting.receiver, waiting.state) == ("alert.test", "ops", "pending")


def test_simulating_shows_what_would_have_been_told(told: Told, home: Home, tmp_path: Path) -> None:
    ago = time.time_ns() - calls.DAY
    ledger = calls.TestLedger(home)
    ledger.append(*[calls.done(ago + number * calls.MINUTE) for number in range(1, 9)])
    ledger.connection.close()
    shown = told("simulate", "--new", "model")
    assert "simulated: new model" in shown and "would have fired 1 time" in shown
    found = told.json("simulate", "--usage", "calls", "--at", "3", "--period", "ever")["simulation"]
    assert [(each["threshold"], each["state"]) for each in found["events"]] == [("3", "firing")]
    told("set", "missing", "--missing")
    told("set", "many", "--usage", "calls 3", "--period", "ever")
    shown = told("simulate")
    assert "many: " in shown and "1 alert would have fired 1 time" in shown
    assert "missing is not simulated: what is missing from the record is counted as it is found" in shown
    assert "would have fired 0 times" in told("simulate", "many", "--usage", "calls 900")
    file = tmp_path / "next.yaml"
    file.write_text("alerts:\n  - {name: next, usage: calls 2, period: ever}\n")
    assert "next: " in told("simulate", "--file", str(file))
    file.write_text("alerts:\n  - {name: next, usage: cals 2, period: ever}\n")
    assert 'did you mean "calls"' in told("simulate", "--file", str(file))
    assert "there is no alert 'nosuch'; there are: many, missing" in told("simulate", "nosuch")


def test_without_the_ledger_process_it_is_said_that_nothing_is_evaluated(told: Told, home: Home) -> None:
    told("set", "jump", "--anomaly", "cost")
    for words in ([], ["list"], ["history"]):
        shown = told(*words)
        assert "Alerts are not evaluated now" in shown and "farebox up" in shown
    home.run.mkdir(parents=True, exist_ok=True)
    (home.run / "ledger.json").write_text(json.dumps({"pid": os.getpid()}))
    for words in ([], ["list"], ["history"]):
        assert "not evaluated" not in told(*words)


def test_completion_has_the_commands_and_their_flags() -> None:
    from farebox.cli.completion import script

    text = script("bash")
    assert "alerts" in text and "unsnooze" in text and "cache-hits" in text
