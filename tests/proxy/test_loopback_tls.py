"""Clients that speak TLS to the proxy's own port, because they make `wss://` of its base URL."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
from pathlib import Path

import pytest
from interception_harness import SecureClient, Setting, intercepting
from proxy_harness import Reply, Request, mock

from farebox.certificates import authority
from farebox.config import ProviderConfig
from farebox.wire.upgrade import accept_of

CHAT = "/openai/v1/chat/completions"
LOOPBACK = "127.0.0.1"


def answer_chat(request: Request) -> Reply:
    return mock.json_reply(mock.chat_answer("hello"))


def secured(setting: Setting, context: ssl.SSLContext | None = None) -> SecureClient:
    """Return a client that speaks TLS to the proxy's own port."""
    client = SecureClient(setting.proxy.connect(), LOOPBACK, context or setting.trusting())
    client.host = f"{LOOPBACK}:{setting.proxy.port}"
    return client


def test_a_client_that_speaks_tls_to_the_base_urls_port_is_served_and_metered(tmp_path: Path) -> None:
    with intercepting(answer_chat, tmp_path, keeps=(LOOPBACK,)) as setting:
        with secured(setting) as client:
            for _ in range(2):
                answer = client.post(
                    CHAT, json.dumps({"model": "gpt-4o"}).encode(), "Content-Type: application/json"
                )
                assert answer.status == 200
        first, second = setting.proxy.settled(2)
    assert first.surface == second.surface == "openai.chat"
    assert first.extraction.parts[0].output_tokens == 187


def test_a_realtime_socket_over_that_tls_is_opened_and_closed_with_the_client(tmp_path: Path) -> None:
    key = base64.b64encode(os.urandom(16))
    with socket.create_server((LOOPBACK, 0)) as listener:
        url = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        providers = {"openai": ProviderConfig(upstream=url)}
        with intercepting(answer_chat, tmp_path, keeps=(LOOPBACK,), providers=providers) as setting:
            with secured(setting) as client:
                client.send(client.head(
                    "GET", "/openai/v1/realtime?model=gpt-realtime", "Connection: Upgrade",
                    "Upgrade: websocket",
                    "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key.decode()}",
                ))  # fmt: skip
                connection, _ = listener.accept()
                with connection:
                    assert connection.recv(65536).startswith(b"GET /v1/realtime?model=gpt-realtime ")
                    connection.sendall(
                        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        b"Sec-WebSocket-Accept: " + accept_of(key) + b"\r\n\r\n"
                    )
                    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
                    client.socket.close()
                    assert connection.recv(65536) == b""
            (done,) = setting.proxy.settled(1)
            setting.proxy.settle(lambda: not setting.proxy.proxy.state.clients)
    assert (done.surface, done.status) == ("openai.realtime_ws", 101)


def test_a_large_request_over_that_tls_arrives_whole(tmp_path: Path) -> None:
    body = json.dumps(
        {"model": "gpt-4o", "messages": [{"role": "user", "content": "x" * 4_000_000}]}
    ).encode()
    with intercepting(answer_chat, tmp_path, keeps=(LOOPBACK,)) as setting:
        with secured(setting) as client:
            assert client.post(CHAT, body, "Content-Type: application/json").status == 200
        assert setting.server.requests[0].body == body


def test_without_a_certificate_for_it_tls_is_refused_as_before(tmp_path: Path) -> None:
    with intercepting(answer_chat, tmp_path) as setting, setting.proxy.connect() as client:
        client.send(b"\x16\x03\x01\x00\x05hello")
        assert client.answer().status == 400


def test_a_client_that_does_not_trust_it_leaves_nothing_behind(tmp_path: Path) -> None:
    with intercepting(answer_chat, tmp_path, keeps=(LOOPBACK,)) as setting:
        with pytest.raises(ssl.SSLCertVerificationError):
            secured(setting, ssl.create_default_context())
        with setting.proxy.connect() as client:
            client.send(b"\x16\x03\x01\x00\x05hello")
            assert b"HTTP" not in client.until_closed()
        setting.proxy.settle(lambda: not setting.proxy.proxy.state.clients)
        assert setting.journal.entries == []


def test_the_authority_speaks_for_no_other_address(tmp_path: Path) -> None:
    from farebox.certificates.making import Signer

    made = authority.make(tmp_path / "ca" / "run", ("api.openai.com", LOOPBACK))
    signer = Signer(made)
    with pytest.raises(ValueError, match="may sign for"):
        signer.leaf("127.0.0.2")
    # Even a certificate that its key has signed: clients see that the intermediate may not.
    signer._authority = authority.Authority(made.folder, _more(made, "127.0.0.2", "::1"))  # pyright: ignore[reportPrivateUsage]
    for address in (LOOPBACK, "127.0.0.2", "::1"):
        accepted = _accepts(made, signer.leaf(address), address, tmp_path)
        assert accepted is (address == LOOPBACK)


def _more(made: authority.Authority, *names: str) -> authority.Facts:
    facts = made.facts
    return authority.Facts(
        facts.fingerprint, facts.name, (*facts.permitted, *names), facts.made_at, facts.not_after
    )


def _accepts(made: authority.Authority, pem: bytes, address: str, folder: Path) -> bool:
    """Return whether OpenSSL takes a certificate of `made` for `address`."""
    file = folder / "leaf.pem"
    file.write_bytes(pem)
    server, client = (
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        ssl.create_default_context(cafile=str(made.root)),
    )
    server.load_cert_chain(file)
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = client.wrap_bio(one, other, server_hostname=address)
    ours = server.wrap_bio(other, one, server_side=True)
    for _ in range(4):
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return True
