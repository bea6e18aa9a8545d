"""One POST against receivers that do everything a server can do wrong."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from pathlib import Path

import pytest
from proxy_harness import certificate, server_tls
from webhook_receiver import OK, Request, WebhookReceiver, status

from farebox.outbound import http_post
from farebox.outbound.destination import destination
from farebox.outbound.http_post import LIMITS, Limits, RequestFailedError, Response, post

SHORT = Limits(connect=5, silence=0.5, whole=1.5)


def send(url: str, address: str | None = None, limits: Limits = LIMITS, **headers: str) -> Response:
    return asyncio.run(post(destination(url, address), headers, b'{"a":1}', limits=limits))


def test_a_request_arrives_as_it_was_written() -> None:
    with WebhookReceiver() as receiver:
        assert send(f"{receiver.url}?a=b%20c", **{"webhook-id": "1"}) == Response(200, None, "")
    (request,) = receiver.requests
    assert request.line == "POST /hook?a=b%20c HTTP/1.1"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["webhook-id"] == "1"
    assert request.body == b'{"a":1}'


def test_a_failure_has_a_short_excerpt_on_one_line() -> None:
    body = b"no\r\n\x1b[31m such \xff hook" + b"x" * 1000
    with WebhookReceiver(lambda *_: status(503, body, "retry-after: 7")) as receiver:
        found = send(receiver.url)
    assert (found.status, found.retry_after) == (503, "7")
    assert found.excerpt.startswith("no �[31m such � hookxxx")
    assert len(found.excerpt) == http_post.EXCERPT_CHARACTERS


def test_a_redirect_is_not_followed() -> None:
    with WebhookReceiver() as inside:
        moved = status(307, b"", f"location: {inside.url}")
        with WebhookReceiver(lambda *_: moved) as receiver:
            assert send(receiver.url).status == 307
        assert send(inside.url).status == 200, "the control: it can be reached"
    assert len(inside.requests) == 1


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with WebhookReceiver() as proxy, WebhookReceiver() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        assert send(receiver.url).status == 200
    assert proxy.connections == 0


def silent(_: Request, connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.recv(1)  # until the sender gives up


def dripping_head(_: Request, connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1000:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def dripping_body(_: Request, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 500 X\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(1000):
        connection.sendall(b"z")
        time.sleep(0.05)


@pytest.mark.parametrize("respond", [silent, dripping_head, dripping_body])
def test_a_slow_receiver_holds_nobody_up(respond) -> None:  # type: ignore[no-untyped-def]
    begun = time.monotonic()
    with WebhookReceiver(respond) as receiver, pytest.raises(RequestFailedError, match="no response within"):
        send(receiver.url, limits=SHORT)
    assert time.monotonic() - begun < 20, "a minute of dripping was not waited for"


def endless(_: Request, connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(b"HTTP/1.1 500 X\r\n\r\n")
        for _ in range(4096):
            connection.sendall(b"z" * 65536)
        raise AssertionError("256 MiB were read")


def endless_head(_: Request, connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for number in range(100_000):
            connection.sendall(b"x-%d: %s\r\n" % (number, b"y" * 1000))


def test_a_huge_response_is_cut_off() -> None:
    with WebhookReceiver(endless) as receiver:
        assert send(receiver.url) == Response(500, None, "z" * http_post.EXCERPT_CHARACTERS)
    with WebhookReceiver(endless_head) as receiver, pytest.raises(RequestFailedError, match="too long"):
        send(receiver.url)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "closed the connection"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", "closed the connection"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not HTTP"),
        (b"HTTP/1.1 \xff\xff\r\n\r\n", "not HTTP"),
    ],
)
def test_what_is_no_whole_head_is_no_response(sent: bytes, words: str) -> None:
    with WebhookReceiver(lambda *_: sent) as receiver, pytest.raises(RequestFailedError, match=words):
        send(receiver.url)


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf", 200),
        (b"HTTP/1.1 500 X\r\ncontent-length: 50\r\n\r\nhalf", 500),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nretry-after: 9\r\n\r\n" + OK, 200),
        (b"HTTP/1.1 500 X\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 500),
        (b"HTTP/1.0 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", 101),
    ],
)
def test_the_status_decides_whatever_comes_of_the_body(sent: bytes, found: int) -> None:
    with WebhookReceiver(lambda *_: sent) as receiver:
        assert send(receiver.url).status == found


def test_nobody_listening_is_said() -> None:
    with WebhookReceiver() as receiver:
        url = receiver.url
    with pytest.raises(RequestFailedError, match="cannot be reached"):
        send(url)


def test_a_name_is_resolved_once_and_the_checked_address_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that is public when it is checked and private when it is connected to: it is asked once."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def flipping(host: str, port: int, *rest: object, **more: object):  # type: ignore[no-untyped-def]
        if host in ("127.0.0.1", "203.0.113.9"):
            return real(host, port, *rest, **more)  # type: ignore[arg-type]
        asked.append(host)
        address = "203.0.113.9" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", flipping)
    with WebhookReceiver() as canary:
        to = f"https://rebinding.example.com:{canary.port}/"
        with pytest.raises(RequestFailedError, match="private address: nothing is sent"):
            send(to, limits=SHORT)
        assert asked == ["rebinding.example.com"]
        with pytest.raises(RequestFailedError, match="loopback address: nothing is sent"):
            send(to, limits=SHORT)
    assert canary.connections == 0


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "localhost."])
def test_no_spelling_of_an_address_reaches_inside(host: str) -> None:
    with WebhookReceiver() as canary, pytest.raises(RequestFailedError):
        send(f"https://{host}:{canary.port}/", limits=SHORT)
    assert canary.connections == 0


def test_a_certificate_is_verified_for_the_host_at_whatever_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = certificate(tmp_path, "hooks.example.com")
    with WebhookReceiver(tls=server_tls(*files[1:])) as receiver:
        right = f"https://hooks.example.com:{receiver.port}/"
        with pytest.raises(RequestFailedError, match="certificate is not valid"):
            send(right, "127.0.0.1")
        monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
        with pytest.raises(RequestFailedError, match="certificate is not valid"):
            send(f"https://other.example.com:{receiver.port}/", "127.0.0.1")
        assert receiver.requests == []
        assert send(right, "127.0.0.1").status == 200


def test_a_header_has_no_line_break() -> None:
    with WebhookReceiver() as receiver, pytest.raises(ValueError, match="line break"):
        send(receiver.url, x="a\r\nb: c")
