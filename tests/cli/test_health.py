"""`farebox health`: two requests, one exit status."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from farebox.cli.daemon.health import health
from farebox.cli.options import Place
from farebox.home import Home


@pytest.fixture
def home(away_from_home: Any) -> Home:
    home = Home(away_from_home)
    home.prepare()
    return home


@contextmanager
def process(home: Home, name: str, reasons: list[str] | None = None) -> Iterator[None]:
    """Stand in for a running process that is ready, or is not for these reasons."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ready = {
                "/health/live": {"live": True},
                "/health/ready": {"ready": not reasons, "reasons": reasons or []},
            }
            body = json.dumps(ready[self.path]).encode()
            self.send_response(503 if reasons and self.path == "/health/ready" else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    said = {"pid": os.getpid(), "host": "127.0.0.1", "port": server.server_port}
    (home.run / f"{name}.json").write_text(json.dumps(said))
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_it_ends_with_zero_when_both_are_ready(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with process(home, "proxy"), process(home, "server"):
        assert health(place=Place(home=home.path)) == 0
    assert capsys.readouterr().out.splitlines() == ["● proxy is ready", "● server is ready"]


def test_it_ends_with_one_and_says_why_when_one_is_not(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    with process(home, "proxy", ["journal_unwritable", "draining"]), process(home, "server"):
        assert health(place=Place(home=home.path)) == 1
        assert "proxy is not ready: journal_unwritable, draining" in capsys.readouterr().out
        assert health(place=Place(home=home.path), live=True) == 0
        capsys.readouterr()
        assert health(place=Place(home=home.path), as_json=True) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["schema"], said["well"]) == ("farebox.health/1", False)
    assert [each["ready"] for each in said["processes"]] == [False, True]


@pytest.mark.parametrize("live", [True, False])
def test_it_ends_with_69_when_one_does_not_respond(home: Home, live: bool) -> None:
    with process(home, "proxy"):
        assert health(place=Place(home=home.path), live=live) == 69
        with process(home, "server"):
            pass
        assert health(place=Place(home=home.path), live=live) == 69  # its file is there, nobody listens
