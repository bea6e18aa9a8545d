"""A proxy that does not record is told wherever somebody looks."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fake_ledger import FakeLedger
from served import Site

from farebox.home import Home
from farebox.server.api.coverage.recording import Recording, recording
from farebox.server.assets import Assets


class Proxy(HTTPServer):
    """Answers `/health` as a proxy with this journal does."""

    def __init__(self, home: Home, journal: dict[str, Any], pid: int) -> None:
        more = {"unmetered": journal.pop("unmetered")} if "unmetered" in journal else {}
        body = msgspec.json.encode({"state": "degraded", "journal": journal, "pid": pid, **more})

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if journal["state"] == "ok" else 503)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                return

        super().__init__(("127.0.0.1", 0), Handler)
        announce(home, self.server_address[1])


def announce(home: Home, port: int) -> None:
    announced = {"pid": os.getpid(), "host": "127.0.0.1", "port": port}
    (home.run / "proxy.json").write_bytes(msgspec.json.encode(announced))


@pytest.fixture
def journal() -> dict[str, Any]:
    return {"state": "ok", "reason": None, "waiting_records": 0, "lost_exchanges": 0}


@pytest.fixture
def proxy(home: Home, journal: dict[str, Any], request: pytest.FixtureRequest) -> Iterator[Proxy]:
    journal.update(getattr(request, "param", {}))
    with Proxy(home, journal, os.getpid()) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.mark.usefixtures("proxy")
def test_a_proxy_that_records_gives_no_reason_to_speak(home: Home) -> None:
    assert recording(home) == Recording(state="ok")
    assert recording(home).words is None


@pytest.mark.usefixtures("proxy")
@pytest.mark.parametrize(
    "proxy", [{"state": "lost", "reason": "read-only file system", "lost_exchanges": 3}], indirect=True
)
def test_a_proxy_without_a_journal_is_told_in_the_status(home: Home, web: Path) -> None:
    assert not recording(home).complete
    ledger = Site(home, FakeLedger(), Assets(web)).get("/api/v1/status").json()["ledger"]
    assert ledger["state"] == "degraded"
    assert "does not record: read-only file system (3 calls lost" in ledger["message"]
    assert "too low" in ledger["message"]


@pytest.mark.usefixtures("proxy")
@pytest.mark.parametrize("proxy", [{"state": "degraded", "waiting_records": 1}], indirect=True)
def test_records_that_are_in_memory_only_are_counted(home: Home) -> None:
    assert recording(home).words == "the proxy cannot write its journal (1 record in memory only)"


@pytest.mark.usefixtures("proxy")
@pytest.mark.parametrize(
    "proxy",
    [
        {
            "unmetered": [
                {
                    "host": "api.openai.com", "client": "curl", "command": "curl", "connections": 2,
                    "reason": "pinned:unknown_ca", "last_at": 1_700_000_000, "retry_at": 1_700_003_000,
                }
            ]
        }
    ],
    indirect=True,
)  # fmt: skip
def test_what_was_tunnelled_and_not_metered_is_in_the_status(home: Home, web: Path) -> None:
    (found,) = Site(home, FakeLedger(), Assets(web)).get("/api/v1/status").json()["unmetered"]
    assert found["host"] == "api.openai.com"
    assert found["program"] == "curl"
    assert found["reason"] == "pinned:unknown_ca"
    assert found["message"].startswith("Not metered: 2 connections of curl to api.openai.com: it does not")
    assert (found["connections"], found["retry_at"][:16]) == (2, "2023-11-14T23:03")


def test_no_proxy_and_a_stale_announcement_are_no_alarm(home: Home) -> None:
    assert recording(home).state == "off"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    announce(home, port)
    assert recording(home).state == "off"


def test_a_proxy_that_does_not_respond_is_reported(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farebox.server.api.coverage.recording.ANSWER_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        announce(home, silent.getsockname()[1])
        assert recording(home).state == "silent"
        assert "not known whether it records" in (recording(home).words or "")
