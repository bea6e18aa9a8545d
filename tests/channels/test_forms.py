"""Every form against a server that takes what its vendor documents, and refuses everything else."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from sample_message import HOSTILE, LINK, item, payload
from vendors import VENDORS, units
from webhook_receiver import Request, WebhookReceiver, status

from farebox.channels import discord, slack
from farebox.channels.news import Explanation, news_of
from farebox.channels.settings import SECRET_URL, Form
from farebox.control.outbox.attempt import attempt
from farebox.control.outbox.delivery_state import Head, Outcome
from farebox.control.outbox.envelope import ReceiverSettings
from farebox.errors import ConfigError, Finding
from farebox.outbound.connection import Limits

ROUTING_KEY = "R" * 32
FORMS: tuple[Form, ...] = ("slack", "discord", "teams", "pagerduty", "ntfy")
NOW = 1_795_950_000 * 10**9


def send(form: Form, url: str, text: str, token: str = "") -> Outcome:
    said = ReceiverSettings(
        form=form,
        url="" if form in SECRET_URL else url,
        secret={"env": "MAIN"},
        token={"env": "TOKEN"} if token else {},
    )
    texts = {"MAIN": url if form in SECRET_URL else ROUTING_KEY, "TOKEN": token}

    def secret(reference: Mapping[str, str]) -> str:
        return texts[reference["env"]]

    head = Head("01a22474-7434-7659-b04b-79a2f4145a6c", "alert.fired", text, "ops", said, 0, 0)
    return asyncio.run(attempt(head, secret, NOW, limits=Limits(connect=5, silence=5, whole=10)))


def told(form: Form, text: str) -> tuple[Outcome, list[Any], list[Request]]:
    with WebhookReceiver(VENDORS[form]) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/{'farebox-alerts' if form == 'ntfy' else 'hook'}"
        outcome = send(form, url, text)
    return outcome, [json.loads(each.body) for each in receiver.requests], receiver.requests


def texts(found: Any) -> list[str]:
    """Return every text of a body."""
    if isinstance(found, dict):
        return [text for each in found.values() for text in texts(each)]
    if isinstance(found, list):
        return [text for each in found for text in texts(each)]
    return [found] if isinstance(found, str) else []


@pytest.mark.parametrize("form", FORMS)
def test_a_message_has_the_shape_that_the_vendor_documents_and_says_all_of_it(form: Form) -> None:
    outcome, (body,), _ = told(form, payload())
    assert outcome == Outcome(True)
    text = re.sub(r"\\(.)", r"\1", "\n".join(texts(body))).replace("&amp;", "&")
    for said in ("acme-spend", "$10.02", "2026-11-29", "gpt-4o", "$8.02", "o3", "$0.50", LINK):
        assert said in text, (form, said)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_names_and_endless_texts_stay_within_the_shape(form: Form, number: int) -> None:
    name = HOSTILE[number]
    found = item().explanation
    assert found is not None
    groups = tuple(type(group)(value=name, before=name, after=name) for group in found.groups)
    hostile = item(
        alert=name,
        title=name,
        value=name,
        basis=name,
        where={name: (name, name)},
        explanation=Explanation(dimension=name, measure="cost", before="$0", after="$1", groups=groups),
    )
    outcome, bodies, _ = told(form, payload(*[hostile] * 20, left_out=9_980))
    assert outcome == Outcome(True), outcome.words
    assert bodies


def test_slack_reads_no_name_as_a_mention_or_a_link() -> None:
    _, (body,), _ = told("slack", payload(item(title=HOSTILE[0])))
    assert "<" not in body["text"]
    assert [block["text"]["type"] for block in body["blocks"]] == ["plain_text", "plain_text", "mrkdwn"]
    assert body["blocks"][0]["text"]["emoji"] is False
    assert slack.escaped("<!here> & co") == "&lt;!here&gt; &amp; co"


def test_discord_reads_no_name_as_markdown_a_mention_or_a_link() -> None:
    _, (body,), _ = told("discord", payload(item(title=HOSTILE[0] + HOSTILE[1])))
    title = body["embeds"][0]["title"]
    assert re.sub(r"\\.", "", title).translate({ord("…"): None}).isascii()
    assert not set(re.sub(r"\\.", "", title)) & set("*_~`|<>@#[]():")
    assert discord.escaped("a_b") == r"a\_b"


@pytest.mark.parametrize("length", range(250, 262))
def test_discord_cuts_no_escape_in_half(length: int) -> None:
    content = discord.content(news_of(payload(item(title="_" * length))))
    title = content["embeds"][0]["title"]
    assert units(title) <= 256
    assert re.fullmatch(r"(?:\\_)*…?", title), title


def test_twenty_alerts_fit_into_teams_28_kilobytes_and_what_does_not_is_counted() -> None:
    long = item(title="é" * 250, basis="ü" * 300)
    _, (body,), _ = told("teams", payload(*[long] * 20, left_out=80))
    runs = [run["text"] for block in body["attachments"][0]["content"]["body"] for run in block["inlines"]]
    listed = sum(run.startswith("é") for run in runs[1:])
    assert 1 <= listed < 20
    assert f"and {100 - listed} more" in runs[-1]


def test_pagerduty_has_an_incident_for_each_alert_and_its_recovery_resolves_the_same_one() -> None:
    fired = payload(item(condition="one", severity="critical"), item(condition="two"))
    outcome, bodies, _ = told("pagerduty", fired)
    assert outcome.delivered
    assert [each["event_action"] for each in bodies] == ["trigger", "trigger"]
    assert [each["payload"]["severity"] for each in bodies] == ["critical", "warning"]
    _, (resolved,), _ = told("pagerduty", payload(item(condition="two", state="recovered")))
    assert (resolved["event_action"], resolved["dedup_key"]) == ("resolve", bodies[1]["dedup_key"])
    assert bodies[0]["dedup_key"] != bodies[1]["dedup_key"]


def test_ntfy_publishes_to_the_root_with_a_token_and_the_priority_of_the_worst() -> None:
    with WebhookReceiver(VENDORS["ntfy"]) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/farebox-alerts"
        assert send("ntfy", url, payload(item(severity="critical")), token="tk_1234567").delivered
        assert send("ntfy", url, payload(item(state="recovered"))).delivered
        assert "no topic" in send("ntfy", f"http://127.0.0.1:{receiver.port}/", payload()).words
        refused = send("ntfy", url, payload(), token="tk\r\nx: y")
        assert "token" in refused.words
    first, second = receiver.requests
    assert first.line == "POST / HTTP/1.1"
    assert first.headers["authorization"] == "Bearer tk_1234567"
    assert "authorization" not in second.headers
    bodies = [json.loads(each.body) for each in receiver.requests]
    assert [(each["topic"], each["priority"], each["tags"]) for each in bodies] == [
        ("farebox-alerts", 5, ["rotating_light"]),
        ("farebox-alerts", 3, ["white_check_mark"]),
    ]


@pytest.mark.parametrize("form", FORMS)
def test_a_message_about_something_else_is_told_in_the_same_form(form: Form) -> None:
    text = (
        '{"type":"farebox.test","timestamp":"2026-11-28T23:19:01.428286Z","data":{"text":"This is a test."}}'
    )
    outcome, (body, *_), _ = told(form, text)
    assert outcome.delivered
    assert "This is a test" in json.dumps(body)


RESPONSES: list[tuple[Form, bytes, bool, bool, str | None]] = [
    ("slack", status(400, b"invalid_payload"), True, False, None),
    ("slack", status(403, b"action_prohibited"), False, False, None),
    ("slack", status(404, b"no_service"), False, False, None),
    ("slack", status(410, b"channel_is_archived"), False, True, None),
    ("slack", status(429, b"rate_limited", "retry-after: 30"), False, False, "30"),
    ("slack", status(500, b"rollup_error"), False, False, None),
    ("discord", status(404, b'{"message": "Unknown Webhook", "code": 10015}'), False, True, None),
    (
        "discord",
        status(429, b'{"message": "slow", "retry_after": 64.57}'),
        False,
        False,
        "65",
    ),
    ("discord", status(429, b'{"retry_after": 3.0}', "retry-after: 4"), False, False, "4"),
    ("teams", status(413), True, False, None),
    ("teams", status(502), False, False, None),
    ("pagerduty", status(400, b'{"status": "invalid event"}'), True, False, None),
    ("pagerduty", status(429), False, False, None),
    ("ntfy", status(401, b'{"code":40101}'), False, False, None),
    ("ntfy", status(507), False, False, None),
]


@pytest.mark.parametrize(("form", "response", "permanent", "gone", "after"), RESPONSES)
def test_a_response_says_whether_it_is_worth_another_attempt(
    form: Form, response: bytes, permanent: bool, gone: bool, after: str | None
) -> None:
    with WebhookReceiver(lambda *_: response) as receiver:
        outcome = send(form, f"http://127.0.0.1:{receiver.port}/topic", payload())
    assert not outcome.delivered
    assert (outcome.is_permanent, outcome.gone, outcome.retry_after) == (permanent, gone, after)


def test_no_secret_is_in_what_is_said_of_a_failure() -> None:
    def echo(request: Request, _: object) -> bytes:
        return status(403, f"bad key {ROUTING_KEY} at {request.line}".encode())

    with WebhookReceiver(echo) as receiver:
        key = send("pagerduty", f"http://127.0.0.1:{receiver.port}/x", payload()).words
    assert ROUTING_KEY not in key
    assert "(secret)" in key
    for url in ("ftp://secret.example/x", "https://user:hunter2@x.example/", "http://x:hunter2/"):
        words = send("slack", url, payload()).words
        assert words.startswith("it cannot be sent")
        assert "hunter2" not in words
        assert "secret.example" not in words


def test_a_secret_that_is_not_there_is_a_failure_that_names_its_place() -> None:
    said = ReceiverSettings(form="slack", secret={"env": "NOTHING"})

    def secret(reference: Mapping[str, str]) -> str:
        raise ConfigError([Finding("farebox.yaml", 2, "slack", "nothing", f"a secret at {reference['env']}")])

    head = Head("x", "alert.fired", payload(), "ops", said, 0, 0)
    outcome = asyncio.run(attempt(head, secret, NOW))
    assert not outcome.delivered
    assert "NOTHING" in outcome.words


def test_a_name_leads_to_no_private_address_whatever_the_form() -> None:
    with WebhookReceiver() as receiver:
        outcome = send("slack", f"https://127.0.0.1.nip.example:{receiver.port}/x", payload())
    assert not outcome.delivered
    assert receiver.requests == []
