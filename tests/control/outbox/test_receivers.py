"""Receivers come from the home's file and from commands; the file goes first, and neither loses a message."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from farebox.channels.webhook import new_secret, signing_keys
from farebox.config import load_config
from farebox.control.database import open_control
from farebox.control.outbox import messages, receivers
from farebox.control.outbox.envelope import ReceiverSettings, envelope
from farebox.control.outbox.signing_secrets import forget_old_secret, make_secret, secret_text, words
from farebox.control.publish import change, publish
from farebox.errors import ConfigError, ControlError, UsageError
from farebox.home import Home

NOW = 1_800_000_000 * 10**9
SECRET = new_secret()
FILE = f"""
webhooks:
  - {{name: ops, url: "https://ops.example.com/hook", secret: {{env: OPS}}, kinds: [prices.*]}}
  - {{name: near, url: "http://near.internal/x", address: 10.0.0.7, secret: {SECRET}}}
"""


def configure(home: Home, text: str) -> None:
    home.config.touch(0o600)
    home.config.write_text(text)
    publish(home)


def named(home: Home) -> dict[str, receivers.Receiver]:
    with open_control(home).reading() as connection:
        return {each.name: each for each in receivers.receivers(connection)}


def test_the_files_receivers_are_taken_over_when_it_is_published(home: Home) -> None:
    publish(home)
    assert not home.control.exists(), "nothing needs a database yet"
    configure(home, FILE)
    found = named(home)
    assert found["ops"].settings == ReceiverSettings(
        url="https://ops.example.com/hook", kinds=("prices.*",), secret={"env": "OPS"}
    )
    assert found["near"].settings.address == "10.0.0.7"
    assert SECRET.encode() not in home.control.read_bytes(), "a secret in the file stays in the file"
    before = home.control.stat().st_mtime_ns
    publish(home)
    assert home.control.stat().st_mtime_ns == before, "nothing is written where nothing changed"
    configure(home, "webhooks: [{}]")
    assert len(named(home)) == 2, "while the file is wrong, what it said last is in force"
    configure(home, "")
    assert named(home) == {}


def test_the_file_goes_before_a_command_and_the_command_comes_back(home: Home) -> None:
    with change(home) as connection:
        receivers.add(connection, "ops", ReceiverSettings(url="https://command.example.com/"), NOW)
        messages.enqueue(connection, envelope("prices.updated", {}, NOW, cause="t"))
    configure(home, FILE)
    assert named(home)["ops"].settings.url == "https://ops.example.com/hook"
    assert (named(home)["ops"].configured, named(home)["ops"].commanded) == (True, True)
    configure(home, "")
    assert named(home)["ops"].settings.url == "https://command.example.com/"
    with open_control(home).reading() as connection:
        assert messages.figures(connection).pending == 1, "what waits, waits on"


def test_a_removed_receiver_gets_nothing_and_what_waits_is_cancelled(home: Home) -> None:
    with change(home) as connection:
        receivers.add(connection, "ops", ReceiverSettings(url="https://a.example.com/"), NOW)
        messages.enqueue(connection, envelope("a.b", {}, NOW, cause="t"))
        assert receivers.remove(connection, "ops")
        assert messages.enqueue(connection, envelope("a.b", {}, NOW, cause="t")) is None
        assert [each.state for each in messages.deliveries(connection)] == ["cancelled"]
        with pytest.raises(UsageError, match="none is named"):
            receivers.receiver_named(connection, "ops")
        receivers.add(connection, "ops", ReceiverSettings(url="https://b.example.com/"), NOW)
        messages.enqueue(connection, envelope("a.b", {}, NOW + 1, cause="t"))
        assert messages.deliveries(connection)[0].position == 2, "numbers are not used twice"


def test_what_the_file_names_is_not_removed_by_command(home: Home) -> None:
    configure(home, FILE)
    with change(home) as connection:
        assert not receivers.remove(connection, "ops")
    assert "ops" in named(home)


def test_a_stopped_receiver_is_active_again_when_it_is_changed_or_resumed(home: Home) -> None:
    configure(home, FILE)
    with change(home) as connection:
        receivers.stop(connection, "ops", "it replied 410 Gone")
        assert messages.figures(connection).stopped == {"ops": "it replied 410 Gone"}
    publish(home)
    assert named(home)["ops"].state == "stopped", "the same file changes nothing"
    configure(home, FILE.replace("ops.example.com", "new.example.com"))
    assert (named(home)["ops"].state, named(home)["ops"].reason) == ("active", None)
    with change(home) as connection:
        receivers.stop(connection, "near", "gone")
        assert receivers.resume(connection, "near").state == "active"


def test_secrets_are_read_where_they_are(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(home, FILE)
    monkeypatch.setenv("OPS", SECRET)
    assert secret_text(home, {"env": "OPS"}) == SECRET
    assert secret_text(home, {"config": "near"}) == SECRET
    path, made = make_secret(home, "mine")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert secret_text(home, {"file": str(path)}) == secret_text(home, {"made": "mine"}) == made
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="mode 600"):
        secret_text(home, {"file": str(path)})
    with pytest.raises(ConfigError, match="from env NOTHING"):
        secret_text(home, {"env": "NOTHING"})
    for nowhere in ({}, {"config": "nobody"}):
        with pytest.raises(ControlError, match="no signing secret"):
            secret_text(home, nowhere)
    assert words({"env": "OPS"}) == "from env OPS"
    assert words({"config": "near"}) == "in farebox.yaml"
    assert words({"made": "mine"}) == "in webhooks/mine.secret"


def test_a_secret_is_changed_in_two_steps(home: Home) -> None:
    path, first = make_secret(home, "mine")
    _, second = make_secret(home, "mine", keeping=True)
    assert secret_text(home, {"file": str(path)}).split() == [second, first]
    _, third = make_secret(home, "mine", keeping=True)
    assert secret_text(home, {"file": str(path)}).split() == [third, second]
    assert len(signing_keys(secret_text(home, {"file": str(path)}))) == 2
    assert forget_old_secret(home, "mine")
    assert secret_text(home, {"file": str(path)}) == third
    assert not forget_old_secret(home, "mine")


WRONG = {
    "webhooks: {ops: x}": "a list",
    "webhooks: [x]": "a mapping with name",
    "webhooks: [{name: ops, url: 'https://a.example.com'}]": "a name, a url and a secret",
    "webhooks: [{name: 'Ops!', url: 'https://a.example.com', secret: {env: A}}]": "a name of a-z",
    "webhooks: [{name: ops, url: 'http://a.example.com', secret: {env: A}}]": "http only to localhost",
    "webhooks: [{name: ops, url: 'https://u:p@a.example.com', secret: {env: A}}]": "without a user",
    "webhooks: [{name: ops, url: 'https://a.example.com', address: b, secret: {env: A}}]": "an IP address",
    "webhooks: [{name: ops, url: 'https://a.example.com', secret: {env: A}, kinds: [A]}]": "a kind as",
    "webhooks: [{name: ops, url: 'https://a.example.com', secret: {env: A}, kinds: a.b}]": "a list",
    "webhooks: [{name: ops, url: 'https://a.example.com', secret: {env: A}, kind: [a.b]}]": 'mean "kinds"',
    "webhooks: [{name: ops, url: 'https://a.example.com', secret: [a]}]": "{env: NAME}",
    "webhooks: [&a {name: ops, url: 'https://a.example.com', secret: {env: A}}, *a]": "another name",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_in_the_file_is_said(home: Home, text: str) -> None:
    home.config.touch(0o600)
    home.config.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load_config(home, home.config)
    assert WRONG[text] in str(raised.value)


def test_receivers_stand_in_the_homes_own_file_only(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(home, FILE)
    assert [each.name for each in load_config(home).webhooks] == ["ops", "near"]
    named_file = tmp_path / "named.yaml"
    named_file.write_text(FILE)
    with pytest.raises(ConfigError, match="in another file"):
        load_config(home, named_file)
    elsewhere = tmp_path / "project"
    elsewhere.mkdir()
    (elsewhere / "farebox.yaml").write_text(FILE)
    monkeypatch.chdir(elsewhere)
    with pytest.raises(ConfigError, match="a working directory's file may have"):
        load_config(home)


def test_a_secret_as_text_is_for_a_file_that_nobody_else_reads(home: Home) -> None:
    configure(home, FILE)
    home.config.chmod(0o644)
    load_config(home, home.config)  # in a directory that nobody else can enter
    home.path.chmod(0o755)
    with pytest.raises(ConfigError) as raised:
        load_config(home, home.config)
    assert SECRET not in str(raised.value)


def test_no_secret_and_no_url_reaches_the_snapshot(home: Home) -> None:
    configure(home, FILE)
    assert b"example.com" not in home.snapshot.read_bytes()
    with sqlite3.connect(home.control) as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert SECRET not in dump
