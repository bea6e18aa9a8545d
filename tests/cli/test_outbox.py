"""`farebox outbox`: empty states explain, what failed is shown and can be sent again, secrets stay hidden."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from webhook_receiver import WebhookReceiver, status

from farebox.cli.app import app
from farebox.cli.exits import guarded
from farebox.cli.options import Place
from farebox.control.database import open_control
from farebox.control.outbox import messages, receivers
from farebox.control.outbox.envelope import envelope
from farebox.control.outbox.signing_secrets import secret_text
from farebox.control.schema import outbox_delivery as delivery
from farebox.home import Home
from farebox.server.deliveries import delivery_worker

URL = "https://hooks.example.com/T0/secret-path?token=1"


def _run(words: list[str]) -> int:
    return app(words, exit_on_error=False, print_error=False, result_action="return_value")


class Told:
    """Type commands and read what they print."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.status = 0

    def __call__(self, *words: str) -> str:
        self.status = guarded(lambda: _run(["outbox", *words]))
        printed = self._capsys.readouterr()
        return printed.out + printed.err

    def json(self, *words: str):  # type: ignore[no-untyped-def]
        return json.loads(self(*words, "--json"))


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.chdir(tmp_path)
    return Told(capsys)


@pytest.fixture
def home(told: Told) -> Home:
    return Place().state()


def enqueue(home: Home, state: str = "pending", error: str | None = None) -> str:
    with open_control(home).writing() as connection:
        id = messages.enqueue(connection, envelope("prices.updated", {"models": 3}, 10**18, cause="a test"))
        assert id is not None
        connection.execute(
            update(delivery).where(delivery.c.message == id).values(state=state, last_error=error)
        )
    return id


def test_an_empty_outbox_says_what_to_do(told: Told, home: Home) -> None:
    for words in ([], ["receivers"]):
        assert "outbox receivers add NAME URL" in told(*words)
    assert not home.control.exists(), "looking makes nothing"
    assert told.json() == {
        "schema": "farebox.outbox/1",
        "pending": 0,
        "dead": 0,
        "receivers": [],
        "messages": [],
    }
    told("receivers", "add", "ops", URL)
    assert "outbox receivers test ops" in told()
    assert "No such message" in told("--state", "dead")


def test_a_secret_is_made_and_shown_once(told: Told, home: Home) -> None:
    shown = told("receivers", "add", "ops", URL, "--kind", "prices.*")
    (secret,) = re.findall(r"whsec_\S+", shown)
    assert secret_text(home, {"made": "ops"}) == secret
    assert (home.path / "webhooks" / "ops.secret").stat().st_mode & 0o777 == 0o600
    again = told("receivers", "add", "ops", "https://new.example.com/", "--kind", "prices.*")
    assert "whsec_" not in again, "the receiver knows it"
    everything = told() + told("receivers") + told("--json") + told("receivers", "--json")
    assert secret not in everything
    assert "whsec_" not in everything
    assert secret.encode() not in home.control.read_bytes()


def test_of_a_url_only_the_origin_is_shown(told: Told, home: Home) -> None:
    everything = told("receivers", "add", "ops", URL) + told("receivers") + told("receivers", "--json")
    assert "https://hooks.example.com" in everything
    assert "secret-path" not in everything


def test_a_secret_of_ones_own_is_referred_to(told: Told, home: Home, tmp_path: Path) -> None:
    assert "from env OPS" in told("receivers", "add", "ops", URL, "--secret-env", "OPS")
    file = tmp_path / "hook.secret"
    file.write_text("hunter2")
    file.chmod(0o600)
    refused = told("receivers", "add", "two", URL, "--secret-file", str(file))
    assert "a signing secret is whsec_" in refused
    assert "hunter2" not in refused
    file.write_text("whsec_" + "a" * 44)
    assert f"from file {file}" in told("receivers", "add", "two", URL, "--secret-file", str(file))
    assert "no secret of two was made" in told("receivers", "rotate", "two")


def test_a_secret_is_changed_with_both_in_force_meanwhile(told: Told, home: Home) -> None:
    (old,) = re.findall(r"whsec_\S+", told("receivers", "add", "ops", URL))
    (new,) = re.findall(r"whsec_\S+", told("receivers", "rotate", "ops"))
    assert secret_text(home, {"made": "ops"}).split() == [new, old]
    assert "new secret only" in told("receivers", "rotate", "ops", "--finish")
    assert secret_text(home, {"made": "ops"}) == new


def test_a_script_reads_the_secret_that_was_made(told: Told, home: Home) -> None:
    made = told.json("receivers", "add", "ops", URL)
    assert made["schema"] == "farebox.outbox-secret/1" and made["origin"] == "https://hooks.example.com"
    assert secret_text(home, {"made": "ops"}) == made["made"]
    assert told.json("receivers", "add", "ops", URL)["made"] is None, "the receiver knows it"
    new = told.json("receivers", "rotate", "ops")["made"]
    assert secret_text(home, {"made": "ops"}).split() == [new, made["made"]]
    assert told.json("receivers", "rotate", "ops", "--finish")["made"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "Ops", URL], "no name for a receiver"),
        (["add", "ops", "http://hooks.example.com/"], "http only to localhost"),
        (["add", "ops", "http://169.254.169.254/"], "http only to localhost"),
        (["add", "ops", URL, "--kind", "Prices"], "nothing to subscribe to"),
        (["add", "ops", URL, "--secret-env", "A", "--secret-file", "b"], "not in both"),
        (["remove", "nobody"], "there is no receiver 'nobody'"),
        (["test", "nobody"], "there is no receiver 'nobody'"),
        (["resume", "nobody"], "there is no receiver 'nobody'"),
        (["rotate", "nobody"], "there is no receiver 'nobody'"),
    ],
)
def test_a_mistake_is_said_and_changes_nothing(told: Told, home: Home, words: list[str], said: str) -> None:
    assert said in told("receivers", *words)
    assert told.status == 64
    assert told.json("receivers")["receivers"] == []


def test_the_file_goes_first_and_the_command_says_so(told: Told, home: Home) -> None:
    told("receivers", "add", "ops", "https://command.example.com/")
    home.config.touch(0o600)
    home.config.write_text("webhooks: [{name: ops, url: 'https://file.example.com/', secret: {env: OPS}}]\n")
    assert "stays as farebox.yaml says, at https://file.example.com" in told("receivers", "add", "ops", URL)
    assert "farebox.yaml, before a command" in told("receivers")
    assert "farebox.yaml names it" in told("receivers", "remove", "ops")
    assert told.status == 1
    home.config.write_text("")
    assert told.json("receivers")["receivers"] == []


def test_what_was_given_up_is_shown_and_sent_again(told: Told, home: Home) -> None:
    told("receivers", "add", "ops", URL)
    id = enqueue(home, "dead", "status 500: \x1b[31mno")
    shown = told()
    assert "status 500: �[31mno" in shown
    assert "outbox retry --all-dead" in shown
    one = told("show", id[:13])
    assert '"models":3' in one
    assert "ops: dead, 0 attempts: status 500" in one
    assert told.json("show", id)["payload"]["type"] == "prices.updated"
    assert "1 message will be sent again once Farebox runs" in told("retry", "--all-dead")
    assert told.json()["messages"][0]["state"] == "pending"
    assert "1 message cancelled" in told("cancel", id)
    assert "nothing to cancel" in told("cancel", id)
    for words in (["retry"], ["retry", id, "--all-dead"], ["show", "ffff"]):
        told(*words)
        assert told.status == 64


@pytest.fixture
def serving(home: Home) -> Iterator[None]:
    """The server's worker, and the announcement of a server that runs."""
    import os

    (home.run / "server.json").write_text(json.dumps({"pid": os.getpid(), "host": "127.0.0.1", "port": 1}))
    worker = delivery_worker(home)
    worker.start()
    yield
    worker.close()


def test_a_test_message_arrives_whatever_was_subscribed_to(told: Told, home: Home, serving: None) -> None:
    with WebhookReceiver() as receiver:
        told("receivers", "add", "ops", receiver.url, "--kind", "prices.*")
        assert "has arrived at ops" in told("receivers", "test", "ops")
    (request,) = receiver.requests
    assert json.loads(request.body)["type"] == "farebox.test"


def test_a_test_that_fails_says_why(told: Told, home: Home, serving: None) -> None:
    with WebhookReceiver(lambda *_: status(403, b"who are you?")) as receiver:
        told("receivers", "add", "ops", receiver.url)
        assert "has not arrived at ops: status 403: who are you?" in told("receivers", "test", "ops")
        assert told.status == 1


def test_a_test_that_stops_its_receiver_says_so(told: Told, home: Home, serving: None) -> None:
    with WebhookReceiver(lambda *_: status(410)) as receiver:
        told("receivers", "add", "ops", receiver.url)
        shown = told("receivers", "test", "ops")
    assert "outbox receivers resume ops" in shown
    assert "tried again" not in shown


def test_without_a_server_a_test_waits_and_says_so(told: Told, home: Home) -> None:
    told("receivers", "add", "ops", URL)
    assert "it is sent once Farebox runs" in told("receivers", "test", "ops")


def test_a_stopped_receiver_is_said_everywhere_and_resumed(told: Told, home: Home) -> None:
    from farebox.cli.daemon.status import outbox_words
    from farebox.cli.doctor.checks import check_outbox
    from farebox.server.api.outbox.outbox_views import outbox_figures

    assert check_outbox(home) == []
    told("receivers", "add", "ops", URL)
    assert check_outbox(home)[0].ok
    enqueue(home, "dead")
    with open_control(home).writing() as connection:
        receivers.stop(connection, "ops", "it replied 410 Gone")
    assert "ops is stopped: it replied 410 Gone" in told()
    assert "ops is stopped" in told("receivers", "test", "ops")
    figures = outbox_figures(home)
    assert figures is not None
    assert [each.partition(":")[0] for each in outbox_words(figures)] == [
        "1 message could not be delivered",
        "ops is told nothing any more, it replied 410 Gone",
    ]
    assert not check_outbox(home)[0].ok
    assert "ops is active" in told("receivers", "resume", "ops")
    assert told.json("receivers")["receivers"][0]["state"] == "active"


def test_who_changed_a_receiver_is_in_the_audit(told: Told, home: Home) -> None:
    from sqlalchemy import select

    from farebox.control.schema import audit

    told("receivers", "add", "ops", URL)
    told("receivers", "remove", "ops")
    with open_control(home).reading() as connection:
        rows = connection.execute(select(audit.c.action, audit.c.subject).order_by(audit.c.at)).all()
    assert [tuple(row) for row in rows] == [("receiver.add", "ops"), ("receiver.remove", "ops")]


CHANNELS = {
    "chat": "slack: {env: SLACK_WEBHOOK_URL}",
    "game": "{discord: {file: discord.url}, kinds: [prices.*]}",
    "oncall": "{pagerduty: {env: PD}, url: 'https://events.eu.pagerduty.com/v2/enqueue'}",
    "phone": "{ntfy: {env: NTFY}, token: {env: NTFY_TOKEN}}",
    "screen": "desktop: true",
    "mail": "{email: ops@example.com, server: 'smtp.example.com:587', from: f@example.com, user: f, "
    "password: {env: P}}",
}


def test_a_channel_of_every_form_is_set_by_command_with_its_secret_by_reference(
    told: Told, home: Home, tmp_path: Path
) -> None:
    (tmp_path / "discord.url").write_text("https://discord.com/api/webhooks/1/canary")
    (tmp_path / "discord.url").chmod(0o600)
    for name, definition in CHANNELS.items():
        printed = told("receivers", "set", name, definition)
        assert told.status == 0 and f"{name} is a channel" in printed and "canary" not in printed
    with open_control(home).reading() as connection:
        kept = {each.name: each.settings for each in receivers.receivers(connection)}
    assert [kept[name].form for name in CHANNELS] == [
        "slack",
        "discord",
        "pagerduty",
        "ntfy",
        "desktop",
        "email",
    ]
    assert kept["chat"].kinds == () and kept["game"].kinds == ("prices.*",)
    assert secret_text(home, kept["game"].secret).endswith("/canary")
    assert kept["phone"].token == {"env": "NTFY_TOKEN"}
    assert "smtp.example.com:587" in str(kept["mail"].mail)


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ("slack: 'https://hooks.slack.com/services/T0/B0/canary'", "as text"),
        ("{slack: {env: A}, colour: red}", "colour"),
        ("{email: nobody, server: nowhere}", "an e-mail address"),
        ("discord: {file: nothing.url}", "No such file"),
        ("smoke: signals", "one of webhook, slack"),
        ("{", "the definition"),
    ],
)
def test_a_channel_that_cannot_be_is_refused_and_no_secret_is_repeated(
    told: Told, home: Home, definition: str, said: str
) -> None:
    printed = told("receivers", "set", "chat", definition)
    assert told.status and said in printed and "canary" not in printed
    assert not home.control.exists()
