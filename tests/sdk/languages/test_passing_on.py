"""What a Farebox on the way is told, and what a provider never is."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from sending import LANGUAGES, sender_of

from farebox import listeners
from upstream import MockUpstream, Request, json_reply


def send_one(command: Sequence[str], url: str, home: Path, provider: str | None) -> None:
    call = {"number": 7, "url": f"{url}/v1/chat/completions", "method": "POST", "headers": {}, "body": "e30="}
    environment = {**os.environ, "FAREBOX_HOME": str(home), "FAREBOX_COLLECTOR": ""}
    providers = {} if provider is None else {url: provider}
    subprocess.run(
        [*command, json.dumps(providers)],
        input=json.dumps(call) + "\n",
        env=environment,
        text=True,
        check=True,
        stdout=subprocess.PIPE,
        timeout=60,
    )


@pytest.fixture(params=LANGUAGES)
def sender(request: pytest.FixtureRequest) -> Sequence[str]:
    return sender_of(request)


def farebox_headers(request: Request) -> dict[str, str]:
    return {
        name.decode().lower(): value.decode() for name, value in request.headers if b"farebox" in name.lower()
    }


def test_a_verified_farebox_is_told_the_calls_id_and_records_it_alone(
    sender: Sequence[str], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with MockUpstream(lambda _: json_reply({})) as serving:
        held = listeners.announce(serving.port)
        assert held is not None
        try:
            send_one(sender, serving.url, home, "openai")
        finally:
            os.close(held)
        told = farebox_headers(serving.requests[0])
    assert len(told.pop("x-farebox-event-id")) == 36
    assert told == {"x-farebox-task": "7"}
    assert not (home / "spool").exists()


def test_a_provider_gets_no_header_of_ours(sender: Sequence[str], tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with MockUpstream(lambda _: json_reply({})) as serving:
        send_one(sender, serving.url, home, "openai")
        assert farebox_headers(serving.requests[0]) == {}
    assert len(list((home / "spool").iterdir())) == 1


def test_a_file_that_nobody_holds_verifies_nothing(sender: Sequence[str], tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with MockUpstream(lambda _: json_reply({})) as serving:
        held = listeners.announce(serving.port)
        assert held is not None
        os.close(held)
        send_one(sender, serving.url, home, "openai")
        assert farebox_headers(serving.requests[0]) == {}
