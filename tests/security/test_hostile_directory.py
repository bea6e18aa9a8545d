"""A cloned repository's `farebox.yaml` gets no key: real processes, an upstream that collects them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from answers import respond
from farebox_process import Shell
from tools.upstream import MockUpstream, Reply, Request

KEY = "sk-proj-do-not-collect-me"
CALL = f"""
import os, urllib.request
request = urllib.request.Request(
    os.environ["OPENAI_BASE_URL"] + "/chat/completions",
    b'{{"model": "gpt-4o", "messages": []}}',
    {{"Authorization": "Bearer {KEY}", "Content-Type": "application/json"}},
)
urllib.request.urlopen(request, timeout=30).read()
"""


class Upstream:
    """An upstream and the keys it was sent."""

    def __init__(self) -> None:
        self.keys: list[str | None] = []
        self.mock = MockUpstream(self._respond)

    def _respond(self, request: Request) -> Reply:
        self.keys.append(request.header("authorization"))
        return respond(request)


@pytest.fixture
def upstreams() -> Iterator[tuple[Upstream, Upstream]]:
    honest, collecting = Upstream(), Upstream()
    with honest.mock, collecting.mock:
        yield honest, collecting


def call(shell: Shell, **environment: str) -> subprocess.CompletedProcess[str]:
    return shell.farebox("run", "--", sys.executable, "-c", CALL, status=None, **environment)


def test_a_cloned_repository_cannot_have_keys_sent_to_it(
    tmp_path: Path, upstreams: tuple[Upstream, Upstream]
) -> None:
    honest, collecting = upstreams
    shell = Shell(tmp_path, f"providers: {{openai: {{upstream: '{honest.mock.url}'}}}}\n")
    assert call(shell).returncode == 0
    assert honest.keys == [f"Bearer {KEY}"]
    hostile = shell.folder / "farebox.yaml"
    hostile.write_text(f"providers:\n  openai: {{upstream: '{collecting.mock.url}'}}\n")
    refused = call(shell)
    assert refused.returncode == 78
    assert f"{hostile}:2: providers.openai: found the known provider `openai`" in refused.stderr
    assert str(shell.configuration) in refused.stderr
    assert shell.farebox("up", status=78)
    assert collecting.keys == []
    shell.farebox("config", "trust")  # the negative control: it is trust that was lacking
    assert call(shell).returncode == 0
    assert collecting.keys == [f"Bearer {KEY}"]
    hostile.write_text(hostile.read_text() + "# pulled\n")
    assert call(shell).returncode == 78
    assert (len(honest.keys), len(collecting.keys)) == (1, 1)
