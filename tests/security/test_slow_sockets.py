"""Thousands of sockets that say almost nothing take no service away from those who ask (S-30 to S-39)."""

from __future__ import annotations

import contextlib
import resource
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from proxy_harness import Client, MockUpstream, Reply, Request, mock
from proxy_processes import ProxyProcess, configured, end_all, pss_kb

from farebox.home import Home

SOCKETS = 2_000
CALLS = 200
CHAT = "/openai/v1/chat/completions"
BODY = b'{"model": "gpt-4o", "messages": []}'


@pytest.fixture
def descriptors() -> Iterator[None]:
    """As many descriptors as the test needs; skips where the system gives fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * SOCKETS + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"{wanted} descriptors are needed, the system gives {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("descriptors")
def test_two_thousand_slow_sockets_hold_nobody_up(tmp_path: Path) -> None:
    def respond(request: Request) -> Reply:
        return mock.json_reply(mock.chat_answer("hi"))

    with MockUpstream(respond) as upstream, contextlib.ExitStack() as opened:
        opened.callback(end_all)
        proxy = ProxyProcess(Home(tmp_path / "state"), configured(upstream.url)).ready()
        with Client(proxy.port) as client:
            assert client.post(CHAT, BODY, "Content-Type: application/json").status == 200
            before = pss_kb(proxy.pid) if sys.platform == "linux" else 0
            slow = [
                opened.enter_context(socket.create_connection(("127.0.0.1", proxy.port), 30))
                for _ in range(SOCKETS)
            ]
            for number, connection in enumerate(slow):
                connection.sendall(b"POST /openai/v1/chat/completions HTTP/1.1\r\nX: "[: 1 + number % 40])
            for _ in range(CALLS):
                assert client.post(CHAT, BODY, "Content-Type: application/json").status == 200
            if before:
                # Under 16 KB for each: nothing is set aside for what has not come.
                assert pss_kb(proxy.pid) - before < 16 * SOCKETS
            for connection in slow:
                connection.settimeout(30)
                answer = connection.recv(4096)
                assert answer[:12] == b"HTTP/1.1 408", answer[:80]
            assert client.post(CHAT, BODY, "Content-Type: application/json").status == 200
        proxy.stop()
