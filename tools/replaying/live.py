"""Send recordings through real Farebox processes to a mock upstream and read the exported rows.

The upstream responds with the recorded bytes, cut at random; the client is httpx2, grpcio for gRPC, and
a socket that follows the recording for WebSockets. Each request carries its sequence number twice:
once for the upstream, to know what to answer, and once as attribution, to find its rows again.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from farebox.catalog import Catalog
from replaying import sockets
from replaying.direct import pieces, speaker
from replaying.recordings import Recording
from upstream import MockUpstream, Reply, Request

_SEQUENCE = "x-replay-sequence"
_CLIENTS = 4
_START_S = 20.0
_SETTLE_S = 60.0
# Set by the client or by the proxy for its own connection.
_NOT_SENT = frozenset(
    ("host", "content-length", "connection", "accept-encoding", "transfer-encoding", "expect")
)


def replay(catalog: Catalog, recordings: Sequence[Recording], seed: int) -> dict[int, list[dict[str, Any]]]:
    """Return the exported rows of each recording, by its place in `recordings`."""
    names = [name_of(catalog, recording) for recording in recordings]
    rows: dict[int, list[dict[str, Any]]] = {}
    for transport, carrier in (("http", _Http), ("websocket", _Sockets), ("grpc", _Grpc)):
        numbers = [number for number, entry in enumerate(recordings) if entry.transport == transport]
        if numbers:
            rows |= _carried(carrier(recordings, numbers, names, seed))
    return rows


def _carried(carrier: _Http | _Sockets | _Grpc) -> dict[int, list[dict[str, Any]]]:
    """Send one transport's recordings through processes of their own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="farebox-replay-")))
        url = stack.enter_context(carrier.upstream())
        home = folder / "home"
        home.mkdir(mode=0o700)
        config = home / "farebox.yaml"
        used = [carrier.names[number] for number in carrier.numbers]
        config.write_text(_config(used, url), encoding="utf-8")
        ledger = stack.enter_context(_process("farebox.ledger", home, config))
        proxy = stack.enter_context(_process("farebox.proxy", home, config, "--listen", "127.0.0.1:0"))
        address = _address(home / "run" / "proxy.json", proxy)
        carrier.send(address)
        _stop(proxy)
        rows = settled(home, config, len(carrier.numbers))
        _stop(ledger)
    return rows


class _Http:
    """Recordings of HTTP, sent by an ordinary client in several lanes."""

    def __init__(
        self,
        recordings: Sequence[Recording],
        numbers: Sequence[int],
        names: Sequence[tuple[str, str | None]],
        seed: int,
    ) -> None:
        self.recordings = recordings
        self.numbers = numbers
        self.names = names
        self.seed = seed

    @contextmanager
    def upstream(self) -> Iterator[str]:
        with MockUpstream(answers(self.recordings, self.seed), keep_requests=False) as serving:
            yield serving.url

    def send(self, address: str) -> None:
        _send(address, self.recordings, self.numbers, self.names)


class _Sockets(_Http):
    """Recordings of WebSockets, replayed frame by frame."""

    @contextmanager
    def upstream(self) -> Iterator[str]:
        self.sessions = {
            number: sockets.session_of(self.recordings[number], random.Random(f"{self.seed}:{number}"))
            for number in self.numbers
        }
        with sockets.SocketUpstream(self.sessions, _SEQUENCE) as serving:
            yield serving.url

    def send(self, address: str) -> None:
        for number, session in self.sessions.items():
            recording = self.recordings[number]
            headers = {_SEQUENCE: str(number), "x-farebox-session": f"replay-{number}"}
            sockets.converse(address, f"/{self.names[number][0]}{recording.path}", headers, session)
            same = session.server_received == session.bytes_of(
                client=True
            ) and session.client_received == session.bytes_of(client=False)
            if session.errors or not same:
                print(f"{recording.id}: the socket's bytes differ {session.errors}", file=sys.stderr)


class _Grpc(_Http):
    """Recordings of gRPC, between the real library's client and server."""

    @contextmanager
    def upstream(self) -> Iterator[str]:
        from concurrent import futures

        import grpc

        recordings = self.recordings

        class Service(grpc.GenericRpcHandler):
            def service(self, handler_call_details: Any) -> Any:
                number = int(dict(handler_call_details.invocation_metadata)[_SEQUENCE])
                answer = _messages(recordings[number].response_body)
                return grpc.unary_stream_rpc_method_handler(lambda _request, _context: iter(answer))

        server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[Service()])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.stop(0).wait()

    def send(self, address: str) -> None:
        import grpc

        with grpc.insecure_channel(urlsplit(address).netloc) as channel:
            for number in self.numbers:
                recording = self.recordings[number]
                metadata = ((_SEQUENCE, str(number)), ("x-farebox-session", f"replay-{number}"))
                stream = channel.unary_stream(recording.path)
                received = list(stream(recording.request_body[5:], metadata=metadata, timeout=30))
                if received != _messages(recording.response_body):
                    print(f"{recording.id}: the client received other messages", file=sys.stderr)


def _messages(body: bytes) -> list[bytes]:
    """Return the messages of a recorded gRPC body, without their prefixes."""
    found: list[bytes] = []
    while body:
        size = int.from_bytes(body[1:5], "big")
        found.append(body[5 : 5 + size])
        body = body[5 + size :]
    return found


def name_of(catalog: Catalog, recording: Recording) -> tuple[str, str | None]:
    """Return the route's name and, for a host outside the catalog, what it speaks."""
    known = catalog.by_host(recording.host)
    if known is not None:
        return known.id, None
    spoken = speaker(catalog, recording.method, recording.path)
    return f"replay-{spoken}", spoken


def _config(names: Sequence[tuple[str, str | None]], url: str) -> str:
    lines = ["listen: 127.0.0.1:3273", "providers:"]
    for name, spoken in sorted(set(names), key=lambda pair: pair[0]):
        speaks = f", speaks: {spoken}" if spoken else ""
        lines.append(f'  {name}: {{upstream: "{url}"{speaks}}}')
    return "\n".join(lines) + "\n"


def answers(recordings: Sequence[Recording], seed: int) -> Any:
    def answer(request: Request) -> Reply:
        number = int(request.header(_SEQUENCE) or 0)
        recording = recordings[number]
        rng = random.Random(f"{seed}:{recording.id}")
        headers = tuple(
            (name.encode("latin-1"), str(value).encode("latin-1", "replace"))
            for name, value in recording.response_headers.items()
        )
        framing = "chunked" if recording.streaming or rng.random() < 0.5 else "length"
        return Reply(recording.status, headers, list(pieces(recording.response_body, rng)), framing)

    return answer


class _process:
    """One Farebox process, ended with the block it was started for."""

    def __init__(self, module: str, home: Path, config: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", module, "--home", str(home), "--config", str(config), *arguments]
        environment = {**os.environ, "FAREBOX_HOME": str(home)}
        self.log = tempfile.TemporaryFile()  # noqa: SIM115
        self.child = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)

    def __enter__(self) -> _process:
        return self

    def __exit__(self, *_: object) -> None:
        _stop(self)
        self.log.close()

    def said(self) -> str:
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")


def _stop(process: _process) -> None:
    child = process.child
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _address(file: Path, process: _process) -> str:
    """Return where the proxy listens, once it does."""
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        if process.child.poll() is not None:
            raise SystemExit(f"the proxy did not start:\n{process.said()}")
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            return f"http://{told['host']}:{told['port']}"
        except (OSError, ValueError, KeyError):
            time.sleep(0.02)
    raise SystemExit(f"the proxy did not listen within {_START_S:.0f} s:\n{process.said()}")


def _send(
    address: str,
    recordings: Sequence[Recording],
    numbers: Sequence[int],
    names: Sequence[tuple[str, str | None]],
) -> None:
    """Send every recorded request; a response is read to its end, whatever its status."""

    def one(client: httpx2.Client, number: int) -> None:
        recording = recordings[number]
        headers = request_headers(recording, number)
        url = f"{address}/{names[number][0]}{recording.path}"
        with client.stream(
            recording.method, url, headers=headers, content=recording.request_body or None
        ) as response:
            received = b"".join(response.iter_raw())
        if response.status_code != recording.status or received != recording.response_body:
            print(
                f"{recording.id}: sent {recording.status} with {len(recording.response_body)} bytes, "
                f"the client received {response.status_code} with {len(received)}",
                file=sys.stderr,
            )

    def lane(start: int) -> None:
        with httpx2.Client(timeout=30, trust_env=False) as client:
            for number in numbers[start::_CLIENTS]:
                one(client, number)

    with ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(lane, range(_CLIENTS)))


def request_headers(recording: Recording, number: int) -> dict[str, str]:
    """Return what a recorded request is sent with; its number says which one it is."""
    headers = {
        name: str(value)
        for name, value in recording.request_headers.items()
        if name not in _NOT_SENT and "_" not in name and str(value).isascii()
    }
    headers[_SEQUENCE] = str(number)
    headers["x-farebox-session"] = f"replay-{number}"
    return headers


def settled(home: Path, config: Path, wanted: int) -> dict[int, list[dict[str, Any]]]:
    """Return the exported rows once they are all there, or when no more come."""
    until = time.monotonic() + _SETTLE_S
    seen = -1
    while True:
        rows: dict[int, list[dict[str, Any]]] = {}
        for row in _export(home, config):
            session = (row.get("attribution") or {}).get("session", "")
            if session.startswith("replay-"):
                rows.setdefault(int(session[7:]), []).append(row)
        total = sum(len(group) for group in rows.values())
        if (total >= wanted and total == seen) or time.monotonic() > until:
            return rows
        seen = total
        time.sleep(0.5)


def _export(home: Path, config: Path) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "farebox.cli", "export", "--format", "jsonl"]
    environment = {**os.environ, "FAREBOX_HOME": str(home)}
    done = subprocess.run(command, env=environment, capture_output=True, cwd=config.parent, check=False)
    if done.returncode != 0:
        raise SystemExit(f"farebox export failed:\n{done.stderr.decode('utf-8', 'replace')}")
    for line in done.stdout.splitlines():
        yield json.loads(line)
