"""A request to a Farebox of this user: it meters the call, and is told its id and whose it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from metered import Metered
from test_transports import ASK, STACKS
from tools.upstream import MockUpstream, chat_answer, json_reply

import farebox


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))


@contextmanager
def announced(port: int) -> Iterator[None]:
    """Have another process say that it is a Farebox on `port`."""
    code = f"from farebox import listeners; print(listeners.announce({port}), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip().isdigit()
        yield
        holder.communicate(b"\n", timeout=20)


@pytest.mark.parametrize("stack", STACKS)
def test_a_verified_farebox_is_told_id_and_attribution_and_nothing_is_written_here(
    instrumented: Metered, stack: str
) -> None:
    with MockUpstream(lambda _: json_reply(chat_answer())) as proxy, announced(proxy.port):
        with farebox.attribute(customer="Müller & Co", tags={"feature": "summary"}):
            status, _ = STACKS[stack](f"{proxy.url}/openai/v1/chat/completions", ASK)
        assert status == 200
        (request,) = proxy.requests
    headers = {name.lower().decode(): value.decode() for name, value in request.headers}
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f-]{17}", headers["x-farebox-event-id"])
    assert headers["x-farebox-customer"] == "Müller & Co"
    assert headers["x-farebox-tag-feature"] == "summary"
    assert request.json() == ASK
    assert instrumented.rows() == []


@pytest.mark.parametrize("stack", STACKS)
def test_nobody_else_is_told_anything(instrumented: Metered, stack: str) -> None:
    with farebox.attribute(customer="acme"):
        STACKS[stack](instrumented.url("openai") + "/v1/chat/completions", ASK)
    (request,) = instrumented.mock.requests
    assert not [name for name, _ in request.headers if name.lower().startswith(b"x-farebox")]
    assert len(instrumented.rows()) == 1
