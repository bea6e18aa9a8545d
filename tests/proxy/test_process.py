"""The proxy as a process: start, refuse, stop in peace, hand over, keep secrets."""

from __future__ import annotations

import itertools
import json
import os
import resource
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from proxy_harness import Client, MockUpstream, Reply, Request, mock
from proxy_processes import ProxyProcess, configured, files_below

from farebox.certificates import authority
from farebox.home import Home
from farebox.journal import records
from farebox.journal.reader import Entry, JournalReader
from farebox.journal.tally import read_tally

CHAT = "/openai/v1/chat/completions"
JSON = "Content-Type: application/json"
BODY = b'{"model": "gpt-4o", "messages": []}'
IN_FLIGHT = int(os.environ.get("FAREBOX_HANDOVER_STREAMS", "100"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "state")


@pytest.fixture
def upstream() -> Iterator[MockUpstream]:
    with MockUpstream(lambda _: mock.json_reply(mock.chat_answer("hi"))) as server:
        yield server


def test_it_starts_serves_announces_itself_and_stops_in_peace(home: Home, upstream: MockUpstream) -> None:
    proxy = ProxyProcess(home, configured(upstream.url)).ready()
    announced = json.loads((home.run / "proxy.json").read_bytes())
    assert announced["host"] == "127.0.0.1"
    assert stat.S_IMODE((home.run / "proxy.json").stat().st_mode) == 0o600
    with Client(proxy.port) as client:
        assert client.post(CHAT, BODY, JSON).status == 200
        assert json.loads(client.get("/health").body)["state"] == "ok"
    proxy.stop()
    assert not (home.run / "proxy.json").exists()


def test_no_heavy_module_is_loaded_not_even_by_a_configuration(home: Home, upstream: MockUpstream) -> None:
    """The list is read from the process itself, after a call has been metered."""
    program = Path(__file__).with_name("report_modules.py")
    proxy = ProxyProcess(home, configured(upstream.url), program=(str(program),)).ready()
    with Client(proxy.port) as client:
        assert client.post(CHAT, BODY, JSON).status == 200
    proxy.terminate()
    status, _ = proxy.ended()
    assert status == 0
    loaded = set((home.path.parent / "modules.txt").read_text().split())
    assert "farebox.proxy.http1.exchange" in loaded
    heavy = {
        "yaml", "apsw", "sqlite3", "fastapi", "starlette", "uvicorn", "pydantic", "rich", "cyclopts",
        "httpx", "httpx2", "requests", "genai_prices", "platformdirs", "farebox.ledger", "farebox.server",
        "farebox.cli", "farebox.yamltext", "farebox.pricing.book",
    }  # fmt: skip
    assert loaded & heavy == set()


def test_a_network_address_is_refused_with_the_reason(home: Home) -> None:
    for address in ("0.0.0.0:0", "[::]:0", "192.168.1.10:3273"):
        ended = subprocess.run(
            [sys.executable, "-m", "farebox.proxy", "--home", str(home.path), "--listen", address],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 78
        assert "loopback" in ended.stderr


def test_a_busy_port_is_named(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        proxy = ProxyProcess(home, "durability: process\n", "--listen", f"127.0.0.1:{port}")
        status, errors = proxy.ended()
    assert status == 69
    assert f"port {port}" in errors


def test_a_wrong_configuration_is_refused_with_file_line_and_key(home: Home) -> None:
    status, errors = ProxyProcess(home, "listen: 127.0.0.1:0\ndurabilty: power\n").ended()
    assert status == 78
    assert "state.yaml:2: durabilty" in errors


def test_a_state_directory_that_others_can_read_is_refused(home: Home) -> None:
    home.path.mkdir(mode=0o755, parents=True)
    home.path.chmod(0o755)
    status, errors = ProxyProcess(home, "listen: 127.0.0.1:0\n").ended()
    assert status == 78
    assert "chmod 700" in errors


def test_core_dumps_are_off_and_descriptors_plenty(home: Home, upstream: MockUpstream) -> None:
    proxy = ProxyProcess(home, configured(upstream.url)).ready()
    lines = Path(f"/proc/{proxy.pid}/limits").read_text().splitlines()
    limits = {line[:26].strip(): line[26:].split()[0] for line in lines}
    assert limits["Max core file size"] == "0"
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert int(limits["Max open files"]) == min(65536, hard if hard > 0 else 65536)
    proxy.stop()


def test_sigterm_lets_streams_end_and_takes_no_new_connections(home: Home) -> None:
    events = mock.chat_events(30)
    with MockUpstream(lambda _: mock.sse_reply(events, pace_s=0.03)) as upstream:
        proxy = ProxyProcess(home, configured(upstream.url)).ready()
        with Client(proxy.port) as client:
            client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(BODY)}") + BODY)
            first = client.until(events[0])
            proxy.terminate()
            deadline = time.monotonic() + 10
            while True:
                try:
                    Client(proxy.port).socket.close()
                except ConnectionRefusedError:
                    break
                assert time.monotonic() < deadline
                time.sleep(0.01)
            rest = client.until(b"\r\n0\r\n\r\n")
            assert rest.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
            assert (first + rest).count(b"data: ") == len(events)
            assert client.until_closed() == b""
        assert proxy.ended()[0] == 0


def test_a_kept_connection_may_send_one_more_request_while_stopping(
    home: Home, upstream: MockUpstream
) -> None:
    proxy = ProxyProcess(home, configured(upstream.url)).ready()
    with Client(proxy.port) as client:
        assert client.post(CHAT, BODY, JSON).status == 200
        proxy.terminate()
        time.sleep(0.2)
        answer = client.post(CHAT, BODY, JSON)
        assert answer.status == 200
        assert answer.header("connection") == b"close"
        assert client.until_closed() == b""
    assert proxy.ended()[0] == 0


def proxys_records(home: Home) -> tuple[Path, list[Entry]]:
    """Return the proxy's journal, which is not the estimator's, and what is in it."""
    for folder in home.journal.iterdir():
        reader = JournalReader(folder)
        entries = reader.read(100).entries
        reader.close()
        if entries and entries[0][1] == records.INTENT:
            return folder, entries
    raise AssertionError("no call is on record")


def test_sigterm_ends_a_stream_without_an_end_in_bounded_time_and_keeps_its_record(home: Home) -> None:
    patient = (
        "import functools, sys; from farebox.proxy import process, __main__, limits\n"
        "process.Proxy = functools.partial(process.Proxy, limits=limits.Limits(drain_s=0.5))\n"
        "sys.exit(__main__.run())"
    )
    event = mock.chat_events(1)[0]
    with MockUpstream(lambda _: mock.sse_reply(itertools.repeat(event), pace_s=0.02)) as upstream:
        proxy = ProxyProcess(home, configured(upstream.url), program=("-c", patient)).ready()
        with Client(proxy.port) as client:
            client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(BODY)}") + BODY)
            client.until(event)
            proxy.terminate()
            while client.socket.recv(65536):
                pass
        assert proxy.ended(seconds=30) == (0, "")
    assert not (home.run / "proxy.json").exists()
    folder, entries = proxys_records(home)
    kinds = [kind for _, kind, _ in entries]
    assert (kinds[0], kinds[-1]) == (records.INTENT, records.DONE)
    assert records.decode_done(entries[-1][2]).error_class == "proxy_stopped"
    noted = read_tally(folder)
    assert noted is not None
    assert (noted.last_seq, noted.waiting_records) == (entries[-1][0], 0)  # all of it is on the disk


def test_a_second_signal_ends_it_at_once(home: Home) -> None:
    with MockUpstream(lambda _: mock.raw_reply(mock.Hang())) as upstream:
        proxy = ProxyProcess(home, configured(upstream.url)).ready()
        with Client(proxy.port) as client:
            client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(BODY)}") + BODY)
            deadline = time.monotonic() + 10
            while upstream.count == 0:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            proxy.terminate()
            time.sleep(0.3)
            proxy.terminate()
            assert client.answer().status == 503
        started = time.monotonic()
        assert proxy.ended()[0] == 0
        assert time.monotonic() - started < 10


def _call_all(port: int, results: list[str], stop: threading.Event) -> None:
    """Make calls as a client does that opens a connection for each: none may fail."""
    while not stop.is_set():
        try:
            with Client(port) as client:
                body = BODY
                client.send(
                    client.head("POST", CHAT, JSON, "Connection: close", f"Content-Length: {len(body)}")
                    + body
                )
                answer = client.answer()
            results.append("ok" if answer.status == 200 and b"[DONE]" in answer.body else f"{answer.status}")
        except (OSError, EOFError) as error:
            results.append(repr(error))


@pytest.mark.parametrize("way", ["listen-fd", "reuse-port"])
def test_a_restart_fails_no_request(home: Home, way: str) -> None:
    """The new proxy starts before the old one stops; streams in flight end at the old one."""
    events = mock.chat_events(5)

    def respond(request: Request) -> Reply:
        return mock.sse_reply(events, pace_s=0.02)

    with MockUpstream(respond, keep_requests=False) as upstream:
        config = configured(upstream.url)
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024) if way == "listen-fd" else None
        if listener is not None:
            first = ProxyProcess(home, config, listener=listener).ready()
        else:
            first = ProxyProcess(home, config, "--reuse-port").ready()
        port = first.port
        results: list[str] = []
        stop = threading.Event()
        threads = [
            threading.Thread(target=_call_all, args=(port, results, stop)) for _ in range(min(IN_FLIGHT, 100))
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        if listener is not None:
            second = ProxyProcess(home, config, listener=listener).ready()
        else:
            second = ProxyProcess(home, config, "--reuse-port", "--listen", f"127.0.0.1:{port}").ready()
        assert second.port == port
        first.terminate()
        assert first.ended()[0] == 0
        time.sleep(0.2)
        stop.set()
        for thread in threads:
            thread.join()
        second.stop()
        if listener is not None:
            listener.close()
    assert len(results) > IN_FLIGHT
    assert set(results) == {"ok"}


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_the_process_with_the_authoritys_key_has_no_socket_of_the_proxys(home: Home) -> None:
    home.prepare()
    authority.make(home.path / "ca" / authority.INSTALLED, ("api.openai.com",))
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = ProxyProcess(home, "listen: 127.0.0.1:0\n", listener=listener).ready()
    inode = f"socket:[{os.fstat(listener.fileno()).st_ino}]"
    with Client(proxy.port) as client:
        client.send(b"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com:443\r\n\r\n")
        assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        children = Path(f"/proc/{proxy.pid}/task/{proxy.pid}/children").read_text().split()
        issuers = [
            pid for pid in children if b"certificates.issuer" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        assert len(issuers) == 1
        assert inode in open_files(proxy.pid)  # the control: it would be seen
        sockets = {file for file in open_files(int(issuers[0])) if file.startswith("socket:")}
        # Its pipes are socket pairs of libuv; nothing of the proxy's own is among them.
        assert inode not in sockets
        assert len(sockets) <= 2
    proxy.stop()
    listener.close()


def open_files(pid: int) -> list[str]:
    return [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]


def test_a_proxy_without_a_journal_says_so(home: Home, upstream: MockUpstream) -> None:
    program = (
        "import sys; from farebox.errors import JournalError; from farebox.proxy import process, __main__\n"
        "def fails(folder, **_): raise JournalError('read-only')\n"
        "process.JournalWriter = fails; sys.exit(__main__.run())"
    )
    proxy = ProxyProcess(home, configured(upstream.url), program=("-c", program)).ready()
    said = json.loads((home.run / "proxy.json").read_bytes())
    with Client(proxy.port) as client:
        assert client.post(CHAT, BODY, JSON).status == 200
        answer = client.get("/health")
    proxy.stop()
    assert said["recording"] is False
    assert answer.status == 503
    assert json.loads(answer.body)["recording"] is False


def test_a_private_proxy_announces_nothing_and_labels_every_call(home: Home, upstream: MockUpstream) -> None:
    from farebox.config import Config
    from farebox.ledger import catch_up
    from farebox.ledger.calls import LedgerReader

    listener = socket.create_server(("127.0.0.1", 0))
    proxy = ProxyProcess(
        home,
        configured(upstream.url),
        "--private",
        listener=listener,
        environment={"FAREBOX_APP": "demo", "FAREBOX_SESSION": "run-1"},
    )
    with Client(listener.getsockname()[1]) as client:
        assert client.post(CHAT, BODY, JSON).status == 200
    assert not (home.run / "proxy.json").exists()
    listener.close()
    proxy.stop()
    catch_up(home, Config())
    (row,) = LedgerReader(home).newest(10)
    assert (row.attribution["app"], row.attribution["session"]) == ("demo", "run-1")


CANARY = "sk-canary-5f0c9f1e7b2a4d36"


def test_a_key_is_written_nowhere_whatever_goes_wrong(home: Home) -> None:
    """Eight places a key can be in, on the way of success and of every kind of failure."""

    def respond(request: Request) -> Reply:
        kind = request.header("x-mock")
        if kind == "reset":
            return mock.raw_reply(mock.Reset())
        if kind == "malformed":
            return mock.raw_reply(b"HTTP/1.1 200 " + CANARY.encode() + b"\x01\r\n\r\n")
        if kind == "echo":
            return mock.json_reply(
                {"error": {"message": f"bad key {CANARY}", "code": "invalid_api_key"}}, 401
            )
        return mock.json_reply(mock.chat_answer("hi"))

    google = "/google/v1beta/models/gemini-2.5-pro:generateContent"
    anthropic = "/anthropic/v1/messages"
    seen = b""
    with MockUpstream(respond) as upstream:
        url = upstream.url
        more = [f'  {name}: {{upstream: "{url}"}}' for name in ("google", "anthropic")]
        proxy = ProxyProcess(home, configured(url, *more)).ready()
        places: list[tuple[str, tuple[str, ...], bytes]] = [
            (CHAT, (f"Authorization: Bearer {CANARY}",), BODY),
            (CHAT, (f"Authorization: {CANARY}",), BODY),
            (anthropic, (f"x-api-key: {CANARY}",), BODY),
            (google, (f"x-goog-api-key: {CANARY}",), BODY),
            (f"{google}?key={CANARY}", (), BODY),
            (CHAT, (f"Api-Key: {CANARY}",), BODY),
            (CHAT, (f"Cookie: session={CANARY}",), BODY),
            (CHAT, (), b'{"model": "gpt-4o", "api_key": "%s", "messages": []}' % CANARY.encode()),
        ]
        for kind in ("fine", "reset", "malformed", "echo"):
            for path, headers, body in places:
                with Client(proxy.port) as client:
                    answer = client.post(path, body, JSON, f"x-mock: {kind}", *headers)
                    if kind != "echo":
                        seen += answer.head + answer.body
        for broken in (
            f"GET /nowhere?key={CANARY} HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n\r\n",
            f"GET /openai/x?key={CANARY} HTTP/1.1\r\nHost: evil\r\nAuthorization: Bearer {CANARY}\r\n\r\n",
            f"POST {CHAT} HTTP/1.1\r\nAuthorization: Bearer {CANARY}\r\nX\x01: {CANARY}\r\n\r\n",
            f"{CANARY} / HTTP/1.1\r\n\r\n",
        ):
            with Client(proxy.port) as client:
                client.send(broken.encode("latin-1"))
                client.socket.shutdown(socket.SHUT_WR)
                seen += client.until_closed()
        assert CANARY not in Path(f"/proc/{proxy.pid}/cmdline").read_text()
        proxy.terminate()
        status, errors = proxy.ended()
    assert status == 0
    assert CANARY.encode() not in seen
    assert CANARY not in errors
    written = files_below(home.path)
    assert any(path.suffix == ".seg" for path in written), "the journal itself must be among them"
    for path in written:
        assert CANARY.encode() not in path.read_bytes(), path


def test_fingerprints_stay_the_same_over_restarts_of_one_installation(
    home: Home, upstream: MockUpstream
) -> None:
    from farebox.config import Config
    from farebox.ledger import catch_up
    from farebox.ledger.calls import LedgerReader

    for _ in range(2):
        proxy = ProxyProcess(home, configured(upstream.url)).ready()
        with Client(proxy.port) as client:
            client.post(CHAT, BODY, JSON, "Authorization: Bearer sk-same")
        proxy.stop()
    catch_up(home, Config())
    rows = LedgerReader(home).newest(10)
    assert len(rows) == 2
    assert len({row.key_fingerprint for row in rows}) == 1
