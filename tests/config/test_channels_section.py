"""`channels:` says where alerts are told: every form, every mistake at its place, and no secret anywhere."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from farebox.config import read_layers
from farebox.config.channels_section import CHANNELS_EXAMPLE
from farebox.config.configuration import ChannelConfig
from farebox.control.outbox.signing_secrets import configured_settings, secret_text
from farebox.control.publish import publish
from farebox.errors import Finding
from farebox.home import Home
from farebox.proxy.configuration import read_config

SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRETS = {
    "slack": "https://hooks.slack.com/services/T0/B0/canary-slack",
    "discord": "https://discord.com/api/webhooks/1/canary-discord",
    "teams": "https://prod.logic.azure.com/workflows/canary-teams?sig=x",
    "key": "canary-routing-key-0123456789abcd",
    "ntfy": "https://ntfy.sh/canary-topic",
    "token": "tk_canary",
    "password": "canary-password",
}
ALL = f"""channels:
  ops: {{webhook: "http://127.0.0.1:9999/hook", secret: "{SIGNING}"}}
  chat: {{slack: "{SECRETS["slack"]}", kinds: [prices.*]}}
  game: {{discord: "{SECRETS["discord"]}"}}
  team: {{teams: "{SECRETS["teams"]}"}}
  oncall: {{pagerduty: {SECRETS["key"]}}}
  europe: {{pagerduty: {{env: PD}}, url: "https://events.eu.pagerduty.com/v2/enqueue"}}
  phone: {{ntfy: "{SECRETS["ntfy"]}", token: {SECRETS["token"]}}}
  screen: {{desktop: true}}
  mail:
    email: [ops@example.com, boss@example.com]
    server: smtp.example.com:587
    from: farebox@example.com
    user: farebox
    password: {SECRETS["password"]}
"""


@pytest.fixture
def home(away_from_home: Path) -> Home:
    home = Home(away_from_home)
    home.prepare()
    return home


def read(home: Home, text: str) -> tuple[dict[str, ChannelConfig], list[Finding]]:
    home.config.write_text(text)
    layers = read_layers(home, prices=False)
    return {each.name: each for each in layers.config.channels}, layers.findings


def test_every_form_is_read(home: Home) -> None:
    found, findings = read(home, ALL)
    assert findings == []
    assert {name: each.form for name, each in found.items()} == {
        **{"ops": "webhook", "chat": "slack", "game": "discord", "team": "teams", "oncall": "pagerduty"},
        **{"europe": "pagerduty", "phone": "ntfy", "screen": "desktop", "mail": "email"},
    }
    assert found["chat"].kinds == ("prices.*",)
    assert found["ops"].kinds == (), "only what names it"
    assert found["oncall"].url == "https://events.pagerduty.com/v2/enqueue"
    mail = found["mail"].mail
    assert mail is not None
    assert (mail.tls, mail.to) == ("starttls", ("ops@example.com", "boss@example.com"))
    assert "canary" not in repr(found)


def test_the_example_is_read(home: Home) -> None:
    assert read(home, CHANNELS_EXAMPLE)[1] == []


def test_no_secret_reaches_the_database_or_the_snapshot_and_each_is_found_again(home: Home) -> None:
    found, _ = read(home, ALL)
    publish(home)
    with sqlite3.connect(home.control) as connection:
        stored = "\n".join(connection.iterdump())
    connection.close()
    assert "smtp.example.com" in stored, "the control: the channels are there"
    for secret in (SIGNING, *SECRETS.values()):
        assert secret not in stored
        assert secret.encode() not in home.snapshot.read_bytes()
    for name, key in (("chat", "slack"), ("oncall", "key"), ("phone", "ntfy"), ("mail", "password")):
        assert secret_text(home, configured_settings(found[name]).secret) == SECRETS[key]
    assert secret_text(home, configured_settings(found["phone"]).token) == SECRETS["token"]


MISTAKES = [
    ("[ops]", "a mapping of names"),
    ("{ops: slack}", "a mapping with one of webhook, slack"),
    ("{ops: {}}", "none of them"),
    ("{ops: {slack: {env: A}, discord: {env: B}}}", "slack and discord"),
    ("{Ops: {slack: {env: A}}}", "a name of a-z"),
    ("{ops: {slack: {env: A}, kind: [x.y]}}", 'did you mean "kinds"'),
    ("{ops: {slack: {env: A}, secret: {env: B}}}", "an unknown key"),
    ("{ops: {webhook: 'http://hooks.example.com/', secret: {env: A}}}", "https://"),
    ("{ops: {webhook: 'https://hooks.example.com/'}}", "a secret to sign with"),
    ("{ops: {webhook: 'https://hooks.example.com/', secret: canary}}", "whsec_"),
    ("{ops: {slack: 'http://canary.example.com/'}}", "https://hooks.slack.com/services/"),
    ("{ops: {ntfy: 'https://ntfy.sh/'}}", "https://ntfy.sh/TOPIC"),
    ("{ops: {ntfy: 'https://ntfy.sh/a?canary=1'}}", "https://ntfy.sh/TOPIC"),
    ("{ops: {pagerduty: [canary]}}", "{env: NAME}"),
    ("{ops: {desktop: yes please}}", "expected true"),
    ("{ops: {email: nobody, server: 'a.example:25', from: f@example.com}}", "an e-mail address"),
    ("{ops: {email: a@example.com, from: f@example.com}}", "server: smtp.example.com:587"),
    ("{ops: {email: a@example.com, server: a.example.com, from: f@example.com}}", "a host and a port"),
    ("{ops: {email: a@example.com, server: 'a.example.com:25', from: f@example.com, tls: none}}", "TLS"),
    ("{ops: {email: a@example.com, server: 'a.example.com:25', from: f@example.com, tls: ssl}}", "starttls"),
    ("{ops: {email: a@example.com, server: 'a.example.com:25', from: f@example.com, user: x}}", "or neither"),
    ("{ops: {slack: {env: A}, kinds: [X]}}", "prices.updated"),
]


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_a_mistake_is_named_with_its_place_and_no_secret(home: Home, text: str, said: str) -> None:
    found, findings = read(home, f"channels: {text}\n")
    words = "\n".join(map(str, findings))
    assert said in words
    assert f"{home.config}:1" in words
    assert "canary" not in words
    assert found == {}


def test_all_mistakes_are_told_at_once(home: Home) -> None:
    _, findings = read(
        home,
        "channels:\n  a: {slak: {env: A}}\n  b: {ntfy: 'https://ntfy.sh/'}\n"
        "  c: {email: x, server: y, from: z, user: u}\n",
    )
    assert sorted({each.line for each in findings}) == [2, 3, 4]
    assert len(findings) >= 6


def test_a_name_is_a_webhooks_or_a_channels(home: Home) -> None:
    both = [
        "channels: {ops: {slack: {env: A}}}\n",
        "webhooks: [{name: ops, url: 'https://a.example/', secret: {env: A}}]\n",
    ]
    for text in (both[0] + both[1], both[1] + both[0]):
        _, findings = read(home, text)
        assert ["names, too" in str(each) for each in findings] == [True]


def test_the_proxy_starts_beside_every_section_that_has_secrets_and_is_handed_none(home: Home) -> None:
    home.config.write_text(
        f"{ALL}durability: power\n"
        f"webhooks: [{{name: near, url: 'https://a.example/', secret: {SIGNING}}}]\n"
        "otlp: {endpoint: 'https://o.example', headers: {authorization: {env: A}}}\n"
    )
    found = read_config(home)
    assert found.durability == "power", "the control: the file was read"
    assert (found.channels, found.webhooks, found.otlp) == ((), (), None)
