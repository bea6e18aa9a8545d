"""The dashboard's port where it speaks TLS itself: a client that says nothing does not stay."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn
from proxy_harness import certificate

from farebox.access.server_certificate import server_context
from farebox.home import Home
from farebox.server.access.connection import Connection, Limits
from farebox.server.announcement import Run
from farebox.server.server_process import _Runner


async def _app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def test_a_client_that_begins_no_handshake_is_left_in_time(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "limits", Limits(request_s=0.5))
    root, chain, key = certificate(tmp_path, "localhost")
    context = server_context(("http/1.1",))
    context.load_cert_chain(chain, key)
    config = uvicorn.Config(
        _app, http=Connection, ws="none", lifespan="off", log_config=None, log_level="critical",
        ssl_context_factory=lambda *_: context,
    )  # fmt: skip
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    async def run() -> tuple[bytes, bytes]:
        config.load()
        runner = _Runner(config, cast("Any", None), home, Run(1, "127.0.0.1", port, "", ""))
        runner.lifespan = config.lifespan_class(config)
        await runner.startup(sockets=[listener])
        silent, quiet = await asyncio.open_connection("127.0.0.1", port)
        trusting = ssl.create_default_context(cafile=str(root))
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusting, server_hostname="localhost"
        )
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        found = await asyncio.wait_for(reader.readuntil(b"\r\n"), 20)
        left = await asyncio.wait_for(silent.read(), 20)
        for each in (writer, quiet):
            each.transport.abort()
            with contextlib.suppress(OSError):
                await each.wait_closed()
        for server in runner.servers:
            server.close()
        return found, left

    assert asyncio.run(run()) == (b"HTTP/1.1 200 OK\r\n", b"")
