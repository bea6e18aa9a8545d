"""A test of an alert: every kind of it in every channel's form, and never taken for news."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from test_notification import NOW, S, event, happen, told
from test_notification import home as home

from farebox.alerts.alert import Kind
from farebox.alerts.definition import read_alerts
from farebox.alerts.kinds import FORMS
from farebox.alerts.sample import sample
from farebox.channels import desktop, discord, ntfy, pagerduty, slack, teams
from farebox.channels.news import news_of
from farebox.channels.request import Sending
from farebox.control.database import open_control
from farebox.control.outbox import messages
from farebox.home import Home
from farebox.outbound.destination import destination
from farebox.yamltext import parse

TO = destination("https://example.com/topic", None)


def alert(kind: Kind) -> Any:
    each = {"spend": ", each: customer, period: day", "usage": ", period: day"}.get(kind, "")
    root, findings = parse(f"- {{name: watched, {FORMS[kind].example}{each}}}", "example")
    assert root is not None
    (found,) = read_alerts(root, findings, [], origin="command")
    assert findings == []
    return found


@pytest.mark.parametrize("kind", list(FORMS))
def test_every_kind_says_that_it_is_a_test_in_every_form(kind: Kind) -> None:
    found = sample(alert(kind), "slack", NOW, cause="test")
    news = news_of(found.payload)
    assert news.title.startswith("Test: watched")
    assert (found.kind, found.dedupe_key) == ("alert.test", None)
    sending = Sending(found.id, found.payload, TO, "routing-key")
    for module in (slack, discord, teams, ntfy):
        (request,) = module.posts(sending)
        said = request.body.decode().replace("\\\\", "")
        assert "Test: watched" in said and "example-model" in said and "made up" in said
    shown = desktop.command(found.payload, lambda name: name)
    assert shown is not None and any("Test: watched" in each for each in shown)


def test_an_incident_is_resolved_at_once() -> None:
    found = sample(alert("spend"), "pagerduty", NOW, cause="test")
    opens, closes = (
        json.loads(each.body) for each in pagerduty.posts(Sending(found.id, found.payload, TO, "routing-key"))
    )
    assert (opens["event_action"], closes["event_action"]) == ("trigger", "resolve")
    assert opens["dedup_key"] == closes["dedup_key"]
    other = json.loads(sample(alert("spend"), "pagerduty", NOW + S, cause="test").payload)
    assert other["data"]["alerts"][0]["condition"] not in opens["dedup_key"], "not the alert's own incident"


def test_a_plain_test_resolves_its_incident_too() -> None:
    payload = '{"type":"farebox.test","timestamp":"2026-11-28T23:19:01Z","data":{"text":"This is a test."}}'
    opens, closes = (json.loads(each.body) for each in pagerduty.posts(Sending("m1", payload, TO, "key")))
    assert (opens["event_action"], closes["event_action"]) == ("trigger", "resolve")
    assert opens["dedup_key"] == closes["dedup_key"]


def test_news_right_behind_a_test_goes_at_once(home: Home) -> None:
    with open_control(home).writing() as connection:
        messages.enqueue(connection, sample(alert("spend"), "webhook", NOW, cause="test"), only="ops")
    assert happen(home, event(), at_ns=NOW + S) is None
    assert [cast("str", each["type"]) for each in told(home, "ops")] == ["alert.test", "alert.fired"]
