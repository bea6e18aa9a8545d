"""A proxy in a thread with a journal in memory, a raw client, and certificates for tests."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop

from farebox import catalog
from farebox.config import Config, ProviderConfig
from farebox.journal import records
from farebox.journal.health import JournalHealth
from farebox.proxy.limits import Limits
from farebox.proxy.service import Proxy

ROOT = Path(__file__).resolve().parent.parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools import upstream as mock  # noqa: E402

MockUpstream = mock.MockUpstream
Reply = mock.Reply
Request = mock.Request

QUICK = Limits(sweep_s=0.02, client_head_s=0.3, client_body_s=0.3, write_stall_s=0.4, connect_s=20.0,
               first_byte_s=0.4, upstream_idle_s=0.4, linger_s=0.3, partial_s=0.05, drain_s=5.0,
               drain_idle_s=0.1, client_idle_s=5.0)  # fmt: skip
"""Limits in time small enough to be waited for."""


class MemoryJournal:
    """Keeps what it is given; `hold` makes records durable only when the test says so."""

    source = "proxy:test"

    def __init__(self) -> None:
        self.entries: list[tuple[int, Any]] = []
        self.order: list[str] = []
        self.health = JournalHealth()
        self.hold = False
        self.waiting: list[Callable[[], None]] = []

    def append(self, record_type: int, payload: bytes) -> int:
        decode = {
            records.INTENT: records.decode_intent,
            records.PARTIAL: records.decode_partial,
            records.DONE: records.decode_done,
        }[record_type]
        self.entries.append((record_type, decode(payload)))
        return len(self.entries)

    def when_durable(self, position: int, callback: Callable[[], None]) -> None:
        if self.hold:
            self.waiting.append(callback)
        else:
            callback()

    def release(self) -> None:
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback()

    def close(self) -> None:
        return

    def of(self, record_type: int) -> list[Any]:
        return [entry for kind, entry in self.entries if kind == record_type]

    @property
    def intents(self) -> list[records.Intent]:
        return self.of(records.INTENT)

    @property
    def partials(self) -> list[records.Partial]:
        return self.of(records.PARTIAL)

    @property
    def dones(self) -> list[records.Done]:
        return self.of(records.DONE)


class ProxyThread:
    """A proxy that serves `providers` from a thread of its own."""

    def __init__(
        self,
        providers: dict[str, ProviderConfig],
        *,
        limits: Limits | None = None,
        durability: Any = "process",
        journal: Any = None,
        **seams: Any,
    ) -> None:
        self.journal: Any = MemoryJournal() if journal is None else journal
        config = Config(providers=providers, durability=durability)
        self.proxy = Proxy(
            config,
            catalog=catalog.load(providers),
            journal=self.journal,
            secret=b"s" * 32,
            limits=limits,
            **seams,
        )
        self.errors: list[dict[str, Any]] = []
        self.port = 0

    def __enter__(self) -> ProxyThread:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._main, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def _main(self, ready: threading.Event) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(lambda _loop, context: self.errors.append(context))
        self._stop = asyncio.Event()
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.port = (await self.proxy.listen(listener)).port
        ready.set()
        await self._stop.wait()
        await self.proxy.drain()

    def stop(self) -> None:
        with contextlib.suppress(RuntimeError):  # it has stopped already
            self.loop.call_soon_threadsafe(self._stop.set)

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join(20)
        assert not self._thread.is_alive(), "the proxy did not drain"
        assert self.errors == [], self.errors

    def connect(self) -> Client:
        return Client(self.port)

    def settle(self, condition: Callable[[], bool], seconds: float = 8.0) -> None:
        """Wait until `condition` holds; fail when it does not."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true"
            time.sleep(0.002)

    def settled(self, dones: int) -> list[records.Done]:
        """Return the DONE records once there are so many and nothing is in flight."""
        self.settle(lambda: len(self.journal.dones) >= dones and self.proxy.state.in_flight == 0)
        return self.journal.dones


class Client:
    """A raw HTTP client: sends bytes as told, returns bytes as they came."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def until_closed(self) -> bytes:
        pieces: list[bytes] = []
        with contextlib.suppress(ConnectionResetError):
            while piece := self.socket.recv(65536):
                pieces.append(piece)
        return b"".join(pieces)

    def until(self, marker: bytes) -> bytes:
        data = b""
        while marker not in data:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError(data)
            data += piece
        return data

    def head(self, method: str, path: str, *headers: str) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", *headers, "", ""]
        return "\r\n".join(lines).encode("latin-1")

    def post(self, path: str, body: bytes, *headers: str) -> Answer:
        """Send a request with a length and read the whole answer."""
        self.send(self.head("POST", path, *headers, f"Content-Length: {len(body)}") + body)
        return self.answer()

    def get(self, path: str, *headers: str, method: str = "GET") -> Answer:
        self.send(self.head(method, path, *headers))
        return self.answer(no_body=method == "HEAD")

    def answer(self, *, no_body: bool = False) -> Answer:
        """Read one answer to its end, whatever its framing."""
        data = self.until(b"\r\n\r\n")
        head, _, rest = data.partition(b"\r\n\r\n")
        ids = CALL_ID.findall(head + b"\r\n")
        head = without_call_id(head + b"\r\n").removesuffix(b"\r\n")
        answer = self.answer_behind(head, rest, no_body=no_body)
        answer.call_ids = [value.decode() for value in ids]
        return answer

    def answer_behind(self, head: bytes, rest: bytes, *, no_body: bool) -> Answer:
        lines = head.split(b"\r\n")
        status = int(lines[0].split(b" ")[1])
        headers = [(name.lower(), value.strip()) for name, _, value in (x.partition(b":") for x in lines[1:])]
        found = dict(headers)
        if no_body or status in (204, 304):
            return Answer(status, headers, b"", head, b"")
        if b"content-length" in found:
            left = int(found[b"content-length"])
            while len(rest) < left:
                piece = self.socket.recv(65536)
                if not piece:
                    raise EOFError(rest)
                rest += piece
            assert len(rest) == left, "more than one answer came"
            return Answer(status, headers, rest, head, rest)
        if found.get(b"transfer-encoding") == b"chunked":
            while not rest.endswith(b"0\r\n\r\n"):
                piece = self.socket.recv(65536)
                if not piece:
                    raise EOFError(rest)
                rest += piece
            return Answer(status, headers, dechunk(rest), head, rest)
        rest += self.until_closed()
        return Answer(status, headers, rest, head, rest)


CALL_ID = re.compile(rb"x-farebox-call-id: ([0-9a-f-]{36})\r\n")


def without_call_id(data: bytes) -> bytes:
    """Return a response as its upstream sent it: the one line that every response gets is taken out."""
    return CALL_ID.sub(b"", data)


class Answer:
    call_ids: list[str]
    """What the head said of the call's id; `head` and `headers` are without it."""

    def __init__(
        self, status: int, headers: list[tuple[bytes, bytes]], body: bytes, head: bytes, raw: bytes
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.head = head
        self.raw = raw
        """The body as it came, framing included."""
        self.call_ids = []

    def header(self, name: str) -> bytes | None:
        return dict(self.headers).get(name.encode())


def dechunk(raw: bytes) -> bytes:
    body = b""
    while True:
        size, _, raw = raw.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if not length:
            assert raw == b"\r\n", raw
            return body
        body += raw[:length]
        assert raw[length : length + 2] == b"\r\n"
        raw = raw[length + 2 :]


@contextlib.contextmanager
def serving(
    respond: Callable[[Request], Reply], *, provider: str = "openai", upstream: dict[str, Any] | None = None,
    **proxy: Any,
) -> Iterator[tuple[MockUpstream, ProxyThread]]:  # fmt: skip
    """Run a mock upstream and a proxy in front of it."""
    with (
        MockUpstream(respond, **(upstream or {})) as server,
        ProxyThread({provider: ProviderConfig(upstream=server.url)}, **proxy) as proxied,
    ):
        yield server, proxied


def certificate(
    folder: Path, *names: str, days: int = 1, common_name: str = "farebox test"
) -> tuple[Path, Path, Path]:
    """Make a CA and a certificate it signed; return the files of CA, certificate and key.

    Without `names` the certificate has no alternative names at all.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.UTC)

    def build(subject: str, key: Any, signer: Any, issuer_name: str, *, ca: bool, expired: bool) -> Any:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer_name)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=2))
            .not_valid_after(now + datetime.timedelta(days=-1 if expired else 1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
            )
        )
        if not ca:
            alternatives: list[x509.GeneralName] = []
            for name in names:
                try:
                    alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
                except ValueError:
                    alternatives.append(x509.DNSName(name))
            if alternatives:
                builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        else:
            builder = builder.add_extension(
                x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True
            )
        return builder.sign(signer, hashes.SHA256())

    ca_key = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    ca = build("farebox test ca", ca_key, ca_key, "farebox test ca", ca=True, expired=False)
    leaf = build(common_name, key, ca_key, "farebox test ca", ca=False, expired=days < 0)
    pem = serialization.Encoding.PEM
    ca_file, cert_file, key_file = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
    ca_file.write_bytes(ca.public_bytes(pem))
    cert_file.write_bytes(leaf.public_bytes(pem))
    key_file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return ca_file, cert_file, key_file


def server_tls(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    return context
