"""`/api/v1/alerts`, history and simulation: shown to readers, changed by the owner, mistakes at once."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from served import NOW, Answer, Site, pages
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).parent.parent / "ledger"))
import calls

from farebox.alerts.alert import Alert
from farebox.alerts.event import AlertEvent
from farebox.alerts.kinds import FORMS
from farebox.control.database import open_control
from farebox.control.outbox import receivers
from farebox.control.outbox.envelope import ReceiverSettings
from farebox.control.publish import change, publish
from farebox.control.schema import audit
from farebox.snapshot import read_snapshot

ALERTS, EVENTS, SIMULATION = "/api/v1/alerts", "/api/v1/alert-events", "/api/v1/alert-simulation"
JUMP: dict[str, Any] = {"anomaly": "cost", "where": {"app": "ingest"}}


def sent(site: Site, method: str, path: str, body: Any = None) -> Answer:
    content = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    return site.ask(path, {"authorization": f"Bearer {site.token}"}, method, content)


def published(site: Site) -> dict[str, Alert]:
    return {each.name: each for each in read_snapshot(site.home).alerts}


def name_receiver(site: Site, name: str) -> None:
    with change(site.home) as connection:
        receivers.add(connection, name, ReceiverSettings(url="https://example.com/hook"), 1)


def test_an_alert_is_put_shown_listed_and_deleted(site: Site) -> None:
    assert site.get(ALERTS).json() == {"alerts": [], "channels": [], "problems": [], "next_cursor": None}
    name_receiver(site, "ops")
    put = sent(site, "PUT", f"{ALERTS}/jump", {**JUMP, "to": ["ops"]})
    assert put.status == 200
    assert (put.json()["watches"], put.json()["whose"]) == ("unusual cost in an hour", "app ingest")
    assert published(site)["jump"] == Alert(
        name="jump", kind="anomaly", subject="cost", where={"app": ("ingest",)}, to=("ops",)
    )
    listed = site.get(ALERTS).json()
    assert ([each["name"] for each in listed["alerts"]], listed["channels"]) == (["jump"], ["ops"])
    shown = site.get(f"{ALERTS}/jump").json()
    again = sent(site, "PUT", f"{ALERTS}/jump", {k: v for k, v in shown["definition"].items() if k != "name"})
    assert again.json() == shown, "what is shown can be put"
    assert sent(site, "DELETE", f"{ALERTS}/jump").json()["alerts"] == []
    assert published(site) == {}
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test"), ("DELETE", "/snooze")):
        assert sent(site, method, f"{ALERTS}/jump{path}").json()["code"] == "alert_not_found"


def test_json_values_are_read_as_in_yaml(site: Site) -> None:
    assert sent(site, "PUT", f"{ALERTS}/a", {"unpriced": True}).status == 200
    assert sent(site, "PUT", f"{ALERTS}/b", b'{"spend": [0.1, 25], "period": "day"}').status == 200
    assert sent(site, "PUT", f"{ALERTS}/c", {"margin": {"below": "20%"}, "each": "customer"}).status == 200
    found = published(site)
    assert (found["a"].each, found["b"].at, found["c"].at) == ("model", (10**11, 25 * 10**12), (200_000,))


def test_every_mistake_is_told_at_once_with_its_field(site: Site) -> None:
    body = {
        "budget": "nosuch",
        "at": ["50%", "20%", "150%"],
        "to": ["nobody"],
        "severity": "loud",
        "colour": "red",
    }
    answer = sent(site, "PUT", f"{ALERTS}/a", body)
    assert (answer.status, answer.json()["code"]) == (422, "config_invalid")
    findings = answer.json()["details"]["findings"]
    assert sorted(each.split(": ")[1] for each in findings) == [
        "at[1]", "budget", "budget", "colour", "severity", "to[0]",
    ]  # fmt: skip
    assert published(site) == {}


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b"[" * 5_000, b"\xff", b'{"anomaly": {"a": 1}}'])
def test_a_body_that_is_no_alert_is_refused(site: Site, body: bytes) -> None:
    assert sent(site, "PUT", f"{ALERTS}/a", body).status == 422
    assert published(site) == {}


def test_an_alert_of_the_file_is_neither_changed_nor_deleted(site: Site) -> None:
    site.home.config.write_text("alerts:\n  - {name: models, new: model}\n")
    publish(site.home)
    for answer in (sent(site, "PUT", f"{ALERTS}/models", JUMP), sent(site, "DELETE", f"{ALERTS}/models")):
        assert (answer.status, "farebox.yaml:2" in answer.json()["message"]) == (422, True)


def test_an_alert_is_snoozed_and_told_again(site: Site) -> None:
    sent(site, "PUT", f"{ALERTS}/jump", JUMP)
    put = sent(site, "PUT", f"{ALERTS}/jump/snooze", {"for": "2h", "value": "a", "reason": "deploy"})
    (shown,) = put.json()["snoozes"]
    assert (shown["value"], shown["reason"], shown["by"]) == ("a", "deploy", "owner")
    (snooze,) = read_snapshot(site.home).snoozes
    assert (snooze.since_ns, snooze.until_ns) == (NOW, NOW + 7_200 * 10**9)
    assert sent(site, "DELETE", f"{ALERTS}/jump/snooze?value=b").json()["code"] == "snooze_not_found"
    assert sent(site, "DELETE", f"{ALERTS}/jump/snooze?value=a").json()["snoozes"] == []
    for body in ({"for": "ever"}, {"for": 5}, {"until": "1h"}, {"value": "x" * 300}, {"reason": "x" * 300}):
        assert sent(site, "PUT", f"{ALERTS}/jump/snooze", body).status == 422


def test_each_change_is_in_the_audit(site: Site) -> None:
    sent(site, "PUT", f"{ALERTS}/jump", JUMP)
    sent(site, "PUT", f"{ALERTS}/jump/snooze", {})
    sent(site, "DELETE", f"{ALERTS}/jump/snooze")
    sent(site, "DELETE", f"{ALERTS}/jump")
    with open_control(site.home).reading() as connection:
        rows = connection.execute(select(audit.c.actor, audit.c.action, audit.c.subject)).all()
    assert sorted(map(tuple, rows)) == [
        ("owner", "alert.remove", "jump"),
        ("owner", "alert.set", "jump"),
        ("owner", "alert.snooze", "jump"),
        ("owner", "alert.unsnooze", "jump"),
    ]


def test_history_is_filtered_and_limited(site: Site) -> None:
    assert site.get(EVENTS).json() == {"events": [], "next_cursor": None}
    open_control(site.home)
    for number, state in enumerate(("firing", "recovered", "firing")):
        keep(site, str(number), state, NOW - (3 - number) * 10**9)
    assert [each["id"] for each in site.get(EVENTS).json()["events"]] == ["2", "1", "0"]
    assert [each["id"] for each in site.get(f"{EVENTS}?state=firing&limit=1").json()["events"]] == ["2"]
    assert site.get(f"{EVENTS}?alert=other").json()["events"] == []
    assert len(site.get(f"{EVENTS}?since=1h").json()["events"]) == 3
    assert site.get(f"{EVENTS}?until=2020-01-01").json()["events"] == []
    assert [page["events"][0]["id"] for page in pages(site, EVENTS, 1)] == ["2", "1", "0"]
    for wrong in ("state=open", "limit=0", "limit=1001", "since=never", "colour=red"):
        assert site.get(f"{EVENTS}?{wrong}").status == 422


def keep(site: Site, id: str, state: Any, at_ns: int) -> None:
    said = AlertEvent(
        id=id, alert="jump", kind="anomaly", subject="cost", severity="warning", state=state, measured=1,
        unit="pico_usd", since_ns=at_ns, at_ns=at_ns, seq=1, from_ns=0, until_ns=at_ns,
    )  # fmt: skip
    with sqlite3.connect(site.home.control) as connection:
        connection.execute(
            "INSERT INTO alert_event VALUES (?, 'jump', '', ?, ?, 1, ?, '[]')",
            (id, state, at_ns, msgspec.json.encode(said).decode()),
        )
    connection.close()


def test_a_test_of_an_alert_without_a_channel_is_refused(site: Site) -> None:
    sent(site, "PUT", f"{ALERTS}/jump", JUMP)
    assert sent(site, "POST", f"{ALERTS}/jump/test").json()["code"] == "no_channel"


def test_a_test_says_of_each_channel_how_it_was_received(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from farebox.control.outbox import trial

    monkeypatch.setattr(trial, "TEST_SECONDS", 0.0)  # nobody delivers here
    name_receiver(site, "ops")
    name_receiver(site, "off")
    with change(site.home) as connection:
        receivers.stop(connection, "off", "it is gone")
    sent(site, "PUT", f"{ALERTS}/jump", {**JUMP, "to": ["ops", "off"]})
    found = sent(site, "POST", f"{ALERTS}/jump/test").json()["channels"]
    assert [(each["receiver"], each["outcome"]) for each in found] == [("ops", "failed"), ("off", "stopped")]
    assert found[1]["reason"] == "it is gone"


def test_alerts_are_simulated_by_name_and_together(site: Site) -> None:
    ledger = calls.TestLedger(site.home)
    ledger.append(*[calls.done(NOW - number * calls.MINUTE) for number in range(9, 0, -1)])
    ledger.connection.close()
    sent(site, "PUT", f"{ALERTS}/many", {"usage": "calls", "at": ["3"], "period": "ever"})
    sent(site, "PUT", f"{ALERTS}/more", {"usage": "calls", "at": ["900"], "period": "ever"})
    sent(site, "PUT", f"{ALERTS}/lost", {"missing": True})
    one = site.get(f"{SIMULATION}?alert=many").json()
    assert [(each["alert"], each["threshold"]) for each in one["events"]] == [("many", "3")]
    both = site.get(SIMULATION).json()
    assert [each["alert"] for each in both["events"]] == ["many"]
    why = "what is missing from the record is counted as it is found"
    assert both["cannot"] == [{"alert": "lost", "why": why}]
    assert site.get(f"{SIMULATION}?alert=nosuch").json()["code"] == "alert_not_found"
    assert site.get(f"{SIMULATION}?alert=many&until=2020-01-01&since=2019-01-01").json()["events"] == []


def test_every_kind_says_how_it_is_written_and_what_it_says_can_be_set(site: Site) -> None:
    kinds = site.get("/api/v1/alert-kinds").json()["kinds"]
    assert [each["kind"] for each in kinds] == list(FORMS)
    by_name = {each["kind"]: each for each in kinds}
    assert by_name["rise"]["thresholds"] == ["100%"] and by_name["rise"]["usual"]["over"] == "1h"
    assert "over" in by_name["rise"]["keys"] and "over" not in by_name["no_data"]["keys"]
    assert by_name["budget"]["open"] == "budget" and by_name["anomaly"]["threshold_key"] is None
    for each in kinds:
        if each["open"] in ("budget", "customer"):
            continue  # what it names has to be there
        body: dict[str, Any] = {
            each["kind"]: {"span": "30m", "dimension": "model"}.get(
                each["open"] or "", each["subject"] or next(iter(each["words"]), "true")
            )
        }
        if each["threshold_key"]:
            body[each["threshold_key"]] = each["thresholds"] or [
                "10s" if each["kind"] == "latency" else "50%"
            ]
        if each["kind"] in ("spend", "usage"):
            body |= {"at": ["100"], "period": "day"}
        put = sent(site, "PUT", f"/api/v1/alerts/{each['kind'].replace('_', '-')}", body | each["usual"])
        assert put.status == 200, (each["kind"], put.body)
        assert set(each["keys"]) <= put.json()["definition"].keys() | {"over"}, each["kind"]


def test_an_alert_is_simulated_before_it_is_set(site: Site) -> None:
    path = "/api/v1/alert-simulation"
    found = sent(site, "POST", f"{path}?since=30d", {"name": "big", "spend": ["1.00"], "period": "day"})
    assert (found.status, found.json()["events"]) == (200, [])
    assert site.get("/api/v1/alerts").json()["alerts"] == []
    wrong = sent(site, "POST", path, {"name": "big", "spend": ["x"], "to": ["nobody"]})
    assert wrong.status == 422
    assert {"period" in each for each in wrong.json()["details"]["findings"]} == {True, False}
    assert "to" in " ".join(wrong.json()["details"]["fields"])
