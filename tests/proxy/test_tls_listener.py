"""The proxy's own port with TLS: who is served, what a renewal does to streams, what plain HTTP gets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from interception_harness import SecureClient
from proxy_harness import (
    MockUpstream,
    ProxyThread,
    Reply,
    Request,
    certificate,
    mock,
)

from farebox import catalog
from farebox.access.server_certificate import ServerCertificate
from farebox.config import Config, ProviderConfig
from farebox.proxy.limits import Limits
from farebox.proxy.service import Proxy

NAME = "127.0.0.1"
CHAT = "/openai/v1/chat/completions"
BODY = json.dumps({"model": "gpt-4o", "stream": True, "stream_options": {"include_usage": True}}).encode()
STREAMS = 50
EVENTS = list(mock.chat_events(8))


def make(folder: Path, common_name: str) -> tuple[Path, Path, Path]:
    folder.mkdir()
    root, cert, key = certificate(folder, NAME, common_name=common_name)
    key.chmod(0o600)
    return root, cert, key


class Listener:
    """A proxy that speaks TLS on its port, and the files of its certificate."""

    def __init__(self, folder: Path, url: str, **seams: object) -> None:
        self.folder = folder
        self.root, cert, key = make(folder / "first", "first")
        self.certificate, self.key = folder / "fullchain.pem", folder / "privkey.pem"
        self.certificate.symlink_to(cert)
        self.key.symlink_to(key)
        self.pair = ServerCertificate(self.certificate, self.key, ("http/1.1", "h2"))
        providers = {"openai": ProviderConfig(upstream=url)}
        self.thread = ProxyThread(providers)
        self.thread.proxy = Proxy(
            Config(providers=providers),
            catalog=catalog.load(providers),
            journal=self.thread.journal,
            secret=b"s" * 32,
            certificate=self.pair,
            **seams,  # type: ignore[arg-type]
        )

    def swap(self, cert: Path, key: Path) -> None:
        for link, target in ((self.certificate, cert), (self.key, key)):
            fresh = link.with_suffix(".new")
            fresh.symlink_to(target)
            fresh.replace(link)

    def connect(self, root: Path | None = None) -> SecureClient:
        context = ssl.create_default_context(cafile=str(root or self.root))
        client = SecureClient(self.thread.connect(), NAME, context)
        client.host = f"{NAME}:{self.thread.port}"
        return client


def name_seen(client: SecureClient) -> str:
    tls = client.socket
    assert isinstance(tls, ssl.SSLSocket)
    seen = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
    return str(seen.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


class Held:
    """Streams whose second half is sent when the test says so."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, request: Request) -> Reply:
        def steps() -> Iterator[mock.Step]:
            yield from EVENTS[:4]
            while not self.go_on.is_set():
                yield mock.Wait(0.01)
            yield from EVENTS[4:]

        return Reply(200, ((b"content-type", b"text/event-stream"),), steps(), "chunked")


def test_fifty_streams_survive_a_new_certificate_and_new_connections_see_it(tmp_path: Path) -> None:
    held = Held()
    with MockUpstream(held) as server:
        listener = Listener(tmp_path, server.url)
        with listener.thread as proxy, contextlib.ExitStack() as open_clients:
            clients = [open_clients.enter_context(listener.connect()) for _ in range(STREAMS)]
            for client in clients:
                client.send(client.head("POST", CHAT, f"Content-Length: {len(BODY)}",
                                        "Content-Type: application/json") + BODY)  # fmt: skip
            begun = [client.until(b"\n\n") for client in clients]
            for number in range(3):
                root, cert, key = make(tmp_path / f"renewed-{number}", f"renewed-{number}")
                listener.swap(cert, key)
                listener.pair.look()
                with listener.connect(root) as fresh:
                    assert name_seen(fresh) == f"renewed-{number}"
                    assert fresh.get("/health").status == 200
            with pytest.raises(ssl.SSLCertVerificationError):
                listener.connect()  # who trusts the old one only
            held.go_on.set()
            for client, start in zip(clients, begun, strict=True):
                assert name_seen(client) == "first"
                assert (start + client.until(b"0\r\n\r\n")).count(b"data: ") == len(EVENTS)
            dones = proxy.settled(STREAMS)
    assert {done.outcome for done in dones} == {"completed"}
    assert len(dones) == STREAMS


def test_plain_http_on_a_port_with_tls_gets_nothing_and_nothing_is_forwarded(tmp_path: Path) -> None:
    with MockUpstream(lambda _: mock.json_reply({})) as server:
        listener = Listener(tmp_path, server.url)
        with listener.thread as proxy:
            with proxy.connect() as client:
                client.send(client.head("POST", CHAT, f"Content-Length: {len(BODY)}") + BODY)
                assert client.until_closed().find(b"HTTP/") == -1
            with listener.connect() as client:  # and it goes on serving
                assert client.get("/health").status == 200
    assert server.requests == []
    assert proxy.journal.entries == []


def test_a_handshake_that_does_not_go_on_is_ended_and_does_not_disturb_others(tmp_path: Path) -> None:
    with MockUpstream(lambda _: mock.json_reply({})) as server:
        listener = Listener(tmp_path, server.url, limits=Limits(client_head_s=2.0))
        with listener.thread as proxy, socket.create_connection((NAME, proxy.port)) as silent:
            silent.settimeout(20)
            with listener.connect() as client:
                assert client.get("/health").status == 200
            started = time.monotonic()
            assert silent.recv(1) == b""
            assert time.monotonic() - started < 15


def test_a_head_that_does_not_end_is_refused_inside_tls_too(tmp_path: Path) -> None:
    with MockUpstream(lambda _: mock.json_reply({})) as server:
        listener = Listener(tmp_path, server.url, limits=Limits(sweep_s=0.02, client_head_s=2.0))
        with listener.thread, listener.connect() as client:
            client.send(b"POST /openai/v1/chat/completions HTTP/1.1\r\nHost: x")
            assert client.answer().status == 408
    assert server.requests == []


def test_health_says_why_a_new_certificate_is_not_in_use(tmp_path: Path) -> None:
    with MockUpstream(lambda _: mock.json_reply({})) as server:
        listener = Listener(tmp_path, server.url)
        with listener.thread, listener.connect() as client:
            assert json.loads(client.get("/health").body)["certificate"] is None
            _, cert, _ = make(tmp_path / "half", "half")
            listener.swap(cert, tmp_path / "first" / "key.pem")
            listener.pair.look()
            listener.pair.look()
            assert "cannot be used" in json.loads(client.get("/health").body)["certificate"]


def test_http2_is_spoken_where_the_client_offers_nothing_else(tmp_path: Path) -> None:
    with MockUpstream(lambda _: mock.json_reply({})) as server:
        listener = Listener(tmp_path, server.url)
        with listener.thread as proxy:
            context = ssl.create_default_context(cafile=str(listener.root))
            context.set_alpn_protocols(["h2"])
            client = SecureClient(proxy.connect(), NAME, context)
            assert isinstance(client.socket, ssl.SSLSocket)
            assert client.socket.selected_alpn_protocol() == "h2"
            client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
            assert client.socket.recv(9)[3] == 4  # its SETTINGS
            client.socket.close()


def test_at_a_stop_one_that_begins_no_handshake_does_not_keep_the_next_one_waiting(tmp_path: Path) -> None:
    with MockUpstream(lambda _: Reply(200)) as upstream:
        found = Listener(tmp_path, upstream.url)
        with (
            found.thread as running,
            socket.create_server(("127.0.0.1", 0)) as pending,
            socket.create_connection(pending.getsockname()) as silent,
            socket.create_connection(pending.getsockname(), 20) as raw,
        ):
            running.proxy._pending = pending.dup()
            accepted = asyncio.run_coroutine_threadsafe(running.proxy._accept_pending(), running.loop)
            context = ssl.create_default_context(cafile=str(found.root))
            with context.wrap_socket(raw, server_hostname=NAME) as client:
                assert client.version() == "TLSv1.3"
                silent.setblocking(False)
                with pytest.raises(BlockingIOError):
                    silent.recv(1)
            silent.close()
            accepted.result(20)
