"""S-01 to S-08 at the server's port: other sites' pages, other users, other listeners get and change nothing.

Over a real socket. What the guard says of each header by itself is in `test_guard.py`; the same line at the
proxy's port is in `tests/proxy/test_smuggling.py`, `test_websocket.py` and `test_process.py`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_event_socket import Client, Served

from farebox.analytics.query import AskUnknown, Failure, Reply, Request
from farebox.cli.access import ServerAsker
from farebox.cli.daemon.running import Running
from farebox.home import Home
from farebox.server.access.sessions import Sessions, load_token
from farebox.server.api.coverage.recording import Announced, recording_of

NOBODY = 65534
STOP = b'{"session": "taken", "reason": "by a stranger"}'
EVENT = (
    b'{"id": "s-1", "source": "stranger", "provider": "openai", "model": "gpt-4o", "usage": {"requests": 1}}'
)
JSON = "Content-Type: application/json"
CHANGES = [("POST", "/api/v1/stops", STOP), ("POST", "/v1/events", EVENT)]
needs_a_second_user = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can become another user"
)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """A server whose home lies where every user comes by."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        home = Home(Path(folder) / "home")
        home.prepare()
        made = Served(home)
        yield made
        made.process.terminate()
        made.process.communicate()


def ask(
    served: Served, target: str, *lines: str, method: str = "GET", body: bytes = b"", host: str | None = None
) -> tuple[int, bytes]:
    """Send one request with exactly these lines; return status and body of what is said to it."""
    named = f"Host: 127.0.0.1:{served.port}" if host is None else host.replace("{port}", str(served.port))
    length = [f"Content-Length: {len(body)}"] if body else []
    head = [f"{method} {target} HTTP/1.1", *filter(None, [named]), *lines, *length, "Connection: close"]
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
        said = b""
        while piece := connection.recv(65536):
            said += piece
    first, _, content = said.partition(b"\r\n\r\n")
    return int(first.split()[1]), content


def state(served: Served) -> tuple[Any, ...]:
    """Return what strangers tried to change."""
    stops, tokens = (ask(served, f"/api/v1/{what}", served.token) for what in ("stops", "tokens"))
    assert (stops[0], tokens[0]) == (200, 200)
    return stops[1], tokens[1], sorted(served.home.journal.glob("collector-*"))


def is_refusal(content: bytes) -> bool:
    """Return whether a body is a plain refusal: nothing but a code, a sentence and what is allowed."""
    return content == b"" or set(json.loads(content)) == {"code", "message", "details"}


def cookie(served: Served) -> str:
    """Return the owner's session, which a browser sends along whoever has caused the request."""
    return f"Cookie: farebox_{served.port}={Sessions(load_token(served.home)).issue(int(time.time()))}"


BAD_HOSTS = [
    "",
    "Host:",
    "Host: 127.0.0.1",
    "Host: 127.0.0.1:1",
    "Host: evil.example:{port}",
    "Host: localhost.evil.example:{port}",
    "Host: 127.0.0.1.nip.io:{port}",
    "Host: 0.0.0.0:{port}",
    "Host: 2130706433:{port}",
    "Host: user@127.0.0.1:{port}",
    "Host: 127.0.0.1:{port}.",
    "Host: 127.0.0.1:{port}/",
    "Host: 127.0.0.1:{port}, evil.example",
    "Host: 127.0.0.1:{port}\r\nHost: evil.example",
]


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_s_01_a_name_that_is_not_ours_gets_no_data_and_changes_nothing(served: Served, host: str) -> None:
    before = state(served)
    status, content = ask(served, "/api/v1/status", served.token, host=host)
    assert status in (400, 421)
    assert b"version" not in content and b"ledger" not in content
    for method, target, body in CHANGES:
        status, content = ask(served, target, served.token, JSON, method=method, body=body, host=host)
        assert status in (400, 421), target
    assert state(served) == before


FOREIGN = [
    ["Origin: https://evil.example", "Sec-Fetch-Site: cross-site"],
    ["Origin: null"],
    ["Origin: http://127.0.0.1:1", "Sec-Fetch-Site: same-site"],
    ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"],
]


@pytest.mark.parametrize("lines", FOREIGN)
def test_s_02_another_sites_page_with_the_owners_cookie_gets_and_changes_nothing(
    served: Served, lines: list[str]
) -> None:
    before = state(served)
    for target in (
        "/api/v1/summary",
        "/api/v1/tokens",
        "/api/v1/configuration",
        "/metrics",
        "/v1/openapi.json",
    ):
        status, content = ask(served, target, cookie(served), *lines)
        assert (status, is_refusal(content)) == (403, True), target
    for method, target, body in CHANGES:
        assert ask(served, target, cookie(served), JSON, *lines, method=method, body=body)[0] == 403, target
    assert state(served) == before


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
@pytest.mark.parametrize("lines", FOREIGN)
def test_s_03_what_a_page_may_post_without_asking_changes_nothing(
    served: Served, lines: list[str], kind: str
) -> None:
    """Of these forms a browser sends a request to another origin without a preflight."""
    before = state(served)
    for method, target, body in CHANGES:
        said = (cookie(served), f"Content-Type: {kind}", *lines)
        assert ask(served, target, *said, method=method, body=body)[0] == 403, target
    assert state(served) == before


@pytest.mark.parametrize("line", ["Content-Type: text/plain", ""])
def test_s_03_plain_text_is_refused_with_a_good_token_too(served: Served, line: str) -> None:
    """Of all routes that change something: `test_content_types.py`."""
    before = state(served)
    for method, target, body in CHANGES:
        assert ask(served, target, served.token, *filter(None, [line]), method=method, body=body)[0] == 415
    assert state(served) == before


@pytest.mark.parametrize("path", ["/v1/events", "/api/v1/live", "/"])
@pytest.mark.parametrize("lines", FOREIGN)
def test_s_04_another_sites_page_gets_no_web_socket(served: Served, lines: list[str], path: str) -> None:
    before = state(served)
    for credentials in (cookie(served), served.token):
        client = Client(served.port, credentials, *lines, path=path)
        try:
            assert client.status == 403
        finally:
            client.close()
    assert state(served) == before


STRANGER = """
import http.client, json, os, socket, sys
port, requests, paths = json.loads(sys.stdin.read())
socket.getaddrinfo("127.0.0.1", port)  # what that imports is not to be read as somebody else
os.setgroups([]); os.setgid(65534); os.setuid(65534)
def opened(path):
    try:
        os.listdir(path) if os.path.isdir(path) else open(path, "rb").close()
    except OSError as error:
        return type(error).__name__
    return "opened"
def told(method, target, headers, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, target, body or None, headers)
    response = connection.getresponse()
    return [response.status, response.read().decode()]
print(json.dumps([os.getuid(), [opened(path) for path in paths], [told(*each) for each in requests]]))
"""


@needs_a_second_user
def test_s_06_another_user_of_the_machine_without_a_token_gets_nothing(served: Served) -> None:
    before = state(served)
    control = served.home.path.parent / "anybody.txt"
    control.write_text("may be read")
    control.chmod(0o644)
    theirs = [served.home.path, *sorted(served.home.path.rglob("*"))]
    assert {"dashboard.token", "server.json"} <= {path.name for path in theirs}
    wrong = {"authorization": "Bearer fbx_admin_" + "x" * 43}
    reads = ("/api/v1/summary", "/api/v1/tokens", "/api/v1/live", "/metrics", "/v1/openapi.json")
    requests = [("GET", target, headers, "") for target in reads for headers in ({}, wrong)]
    requests += [(method, target, {}, body.decode()) for method, target, body in CHANGES]
    done = subprocess.run(
        [sys.executable, "-c", STRANGER],
        input=json.dumps([served.port, requests, [str(control), *map(str, theirs)]]),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    uid, (first, *opened), told = json.loads(done.stdout)
    assert (uid, first) == (NOBODY, "opened"), "the control: it is another user, and comes as far as the home"
    assert set(opened) == {"PermissionError"}
    assert {status for status, _ in told} == {401}
    assert all(is_refusal(content.encode()) for _, content in told)
    assert state(served) == before


LISTENER = """
import os, socket, sys
if sys.argv[1:]:
    os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    print(connection.recv(65536), flush=True)
    connection.close()
"""


class Instead:
    """What a command does itself where no server of ours listens."""

    def reply(self, request: Request) -> Reply:
        return Reply(failure=Failure(code="asked_itself", message=""))

    def close(self) -> None:
        pass


def received(home: Home, *user: str) -> str:
    """Return what a listener gets that took the ports of a server and a proxy that ran here."""
    secret = load_token(home)
    listener = subprocess.Popen([sys.executable, "-c", LISTENER, *user], stdout=subprocess.PIPE, text=True)
    try:
        assert listener.stdout is not None
        port = int(listener.stdout.readline())
        asker = ServerAsker(home, Running(pid=os.getpid(), host="127.0.0.1", port=port), Instead())
        assert asker.reply(AskUnknown(where={})).failure == Failure(code="asked_itself", message="")
        announced = Announced(pid=os.getpid(), host="127.0.0.1", port=port)
        assert recording_of(announced, secret).state == ("off" if user else "silent")
    finally:
        listener.kill()
        found = listener.communicate()[0]
    return found


@needs_a_second_user
def test_s_07_another_users_listener_on_our_port_receives_no_byte_of_a_key(home: Home) -> None:
    assert received(home, str(NOBODY)) == ""
    assert received(home).count(load_token(home)) == 2, "the control: what is ours is shown the token"


@pytest.mark.parametrize("setting", ["--listen", "--dashboard"])
def test_s_08_an_address_for_everybody_without_protection_is_refused(home: Home, setting: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "farebox.cli", "up", setting, "0.0.0.0:0", "--home", str(home.path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 78, done.stdout + done.stderr
    assert "0.0.0.0" in done.stderr  # noqa: S104 - said, and not listened on
    assert not [path.name for path in home.run.iterdir() if path.suffix == ".json"]


def test_the_control_the_owners_own_page_does_change_what_strangers_could_not(served: Served) -> None:
    before = state(served)
    own = (cookie(served), JSON, f"Origin: http://127.0.0.1:{served.port}", "Sec-Fetch-Site: same-origin")
    for method, target, body in CHANGES:
        assert ask(served, target, *own, method=method, body=body)[0] in (200, 202), target
    after = state(served)
    assert b"by a stranger" in after[0] and len(after[2]) == len(before[2]) + 1
    client = Client(served.port, *own[:1], *own[2:])
    assert client.status == 101
    client.close()
