"""Notifications on the screen: what the program is given; no name is read as an option or a script."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sample_message import HOSTILE, item, payload

from farebox.channels.desktop import command
from farebox.control.outbox.attempt import attempt
from farebox.control.outbox.delivery_state import Head, Outcome
from farebox.control.outbox.envelope import ReceiverSettings


def shown(text: str) -> Outcome:
    head = Head("x", "alert.fired", text, "screen", ReceiverSettings(form="desktop"), 0, 0)
    return asyncio.run(attempt(head, lambda _: "", 0))


def program(folder: Path, name: str, status: int = 0) -> Path:
    """Put a program of this name there that writes down what it was given."""
    file = folder / name
    file.write_text(
        f'#!/bin/sh\nfor each in "$@"; do printf "%s\\0" "$each"; done > "{folder}/given"\nexit {status}\n'
    )
    file.chmod(0o755)
    return folder / "given"


def test_notify_send_is_given_the_text_with_its_markup_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = program(tmp_path, "notify-send")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    text = payload(item(title="--help", basis="<b>b</b> & co", severity="critical"))
    assert shown(text) == Outcome(True)
    *options, title, body, _ = given.read_text().split("\0")
    assert options == ["--urgency=critical", "--app-name=Farebox", "--"]
    assert title == "--help"
    assert "&lt;b&gt;b&lt;/b&gt; &amp; co" in body


@pytest.mark.parametrize("name", HOSTILE)
def test_macos_is_given_texts_as_arguments_and_never_as_script(name: str) -> None:
    def which(wanted: str) -> str | None:
        return "/usr/bin/osascript" if wanted == "osascript" else None

    found = command(payload(item(title=name, basis=name)), which)
    plain = command(payload(), which)
    assert found is not None
    assert plain is not None
    assert found[:4] == plain[:4]
    assert len(found) == 6
    assert all("\0" not in each for each in found)
    assert len(found[4]) <= 200


def test_a_machine_without_either_program_gives_the_message_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = shown(payload())
    assert outcome.is_permanent
    assert "notify-send" in outcome.words


def test_a_program_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "notify-send", status=3)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    outcome = shown(payload())
    assert (outcome.delivered, outcome.is_permanent) == (False, False)
    assert "status 3" in outcome.words
