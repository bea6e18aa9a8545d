"""Hosts outside the catalog: tunnelled untouched, unlogged, and only to where strangers may go."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import threading
from pathlib import Path

import pytest
from interception_harness import echoing, intercepting
from proxy_harness import QUICK, ProxyThread, Reply, Request, mock
from proxy_processes import ProxyProcess, files_below

from farebox.config import ProviderConfig
from farebox.home import Home


def nobody(request: Request) -> Reply:
    raise AssertionError(f"a request has come: {request.target!r}")


def password(word: str) -> str:
    return "Proxy-Authorization: Basic " + base64.b64encode(f"farebox:{word}".encode()).decode()


def test_bytes_of_a_tunnel_are_identical_both_ways(tmp_path: Path) -> None:
    sent = os.urandom(3_000_000)
    with (
        echoing() as (port, seen),
        intercepting(nobody, tmp_path, addresses={"example.com": f"127.0.0.1:{port}"}) as setting,
        setting.connect("example.com:443") as client,
    ):
        assert client.until(b"\r\n\r\n") == b"HTTP/1.1 200 Connection established\r\n\r\n"
        back = b""
        for start in range(0, len(sent), 100_000):
            client.send(sent[start : start + 100_000])
            while len(back) < min(start + 100_000, len(sent)):
                back += client.socket.recv(1 << 20)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.until_closed() == b""
    assert back == sent
    assert seen == [sent]


def test_bytes_sent_before_the_tunnel_stands_are_passed_on(tmp_path: Path) -> None:
    with (
        echoing() as (port, seen),
        intercepting(nobody, tmp_path, addresses={"example.com": f"127.0.0.1:{port}"}) as setting,
        setting.proxy.connect() as client,
    ):
        client.send(b"CONNECT example.com:443 HTTP/1.0\r\n\r\nhello")
        assert client.until(b"hello").endswith(b"\r\n\r\nhello")
    assert seen == [b"hello"]


def test_nothing_of_a_tunnel_is_stored_anywhere(tmp_path: Path) -> None:
    """The state directory of a whole proxy, looked through file by file."""
    word = "word-that-only-the-tunnel-has"
    with echoing() as (port, seen):
        config = (
            f'listen: 127.0.0.1:0\ninterception: {{addresses: {{"tunnelled.example": "127.0.0.1:{port}"}}}}\n'
        )
        proxy = ProxyProcess(Home(tmp_path / "home"), config).ready()
        with socket.create_connection(("127.0.0.1", proxy.port), 10) as client:
            client.sendall(b"CONNECT tunnelled.example:443 HTTP/1.1\r\nHost: tunnelled.example:443\r\n\r\n")
            assert b" 200 " in client.recv(4096)
            client.sendall(word.encode())
            assert client.recv(4096) == word.encode()
        proxy.terminate()
        status, errors = proxy.ended()
    assert status == 0
    assert seen == [word.encode()]
    files = files_below(tmp_path / "home")
    assert files, "the proxy has a journal"
    for file in files:
        content = file.read_bytes()
        for trace in (word.encode(), b"tunnelled.example", b"tunnelled"):
            assert trace not in content, f"{trace!r} is in {file}"
    assert word not in errors
    assert "tunnelled" not in errors


def test_a_plain_request_for_another_host_is_passed_on_once_and_unlogged(tmp_path: Path) -> None:
    with (
        mock.MockUpstream(lambda r: mock.json_reply({"n": len(r.body)}), keep_raw=True) as other,
        intercepting(nobody, tmp_path, addresses={"example.com": f"127.0.0.1:{other.port}"}) as setting,
        setting.proxy.connect() as client,
    ):
        client.send(
            b"POST http://example.com/a%20b?c=d HTTP/1.1\r\nHost: example.com\r\nX-One: 1\r\n"
            b"Proxy-Connection: keep-alive\r\nContent-Length: 5\r\n\r\nhello"
        )
        answer = client.answer()
        assert (answer.status, answer.body) == (200, b'{"n": 5}')
        (request,) = other.requests
        assert request.raw_head == (
            b"POST /a%20b?c=d HTTP/1.1\r\nHost: example.com\r\nX-One: 1\r\nContent-Length: 5\r\n"
            b"Connection: close\r\n\r\n"
        )
        assert setting.journal.entries == []


class Stubborn:
    """A server that ignores `Connection: close` and keeps every byte it is sent."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.seen = b""
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection:
                    while data := connection.recv(65536):
                        self.seen += data
                        if data.startswith((b"GET", b"POST", b"HEAD")):
                            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.mark.parametrize("first", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("together", [True, False])
def test_what_a_client_says_to_one_host_is_not_heard_by_the_one_before(
    first: str, together: bool, tmp_path: Path
) -> None:
    """Cookies and the password for this proxy went to the first host that kept its connection open."""
    server, other = Stubborn(), Stubborn()
    places = {"a.example": f"127.0.0.1:{server.port}", "b.example": f"127.0.0.1:{other.port}"}
    secret = b"Proxy-Authorization: Basic c2VjcmV0\r\nProxy-Anything: c2VjcmV0\r\nCookie: c2VjcmV0\r\n"
    one = f"{first} http://a.example/ HTTP/1.1\r\nHost: a.example\r\n".encode()
    one += b"Proxy-Authorization: Basic c2VjcmV0\r\nProxy-Anything: c2VjcmV0\r\nProxy-Connection: close\r\n"
    one += b"Content-Length: 2\r\n\r\nhi" if first == "POST" else b"\r\n"
    two = b"GET http://b.example/ HTTP/1.1\r\nHost: b.example\r\n" + secret + b"\r\n"
    with (
        server.listener,
        other.listener,
        intercepting(nobody, tmp_path, addresses=places) as setting,
        setting.proxy.connect() as client,
    ):
        client.send(one + two if together else one)
        client.until(b"\r\n\r\n")
        if not together:
            with contextlib.suppress(OSError):
                client.send(two)
        client.until_closed()
        setting.proxy.settle(lambda: not setting.proxy.proxy.state.clients)
    for seen in (server.seen, other.seen):
        assert b"c2VjcmV0" not in seen
        assert b"proxy-" not in seen.lower()
    assert b"b.example" not in server.seen
    assert server.seen.startswith(f"{first} / HTTP/1.1\r\nHost: a.example\r\n".encode())
    assert setting.journal.entries == []


def test_no_other_protocol_begins_behind_a_plain_request(tmp_path: Path) -> None:
    with (
        mock.MockUpstream(lambda _: mock.json_reply({})) as other,
        intercepting(nobody, tmp_path, addresses={"a.example": f"127.0.0.1:{other.port}"}) as setting,
        setting.proxy.connect() as client,
    ):
        client.send(
            b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==\r\n\r\n"
        )
        assert client.until_closed().startswith(b"HTTP/1.1 200 ")
        (request,) = other.requests
        assert (request.header("upgrade"), request.header("connection")) == (None, "close")


def test_a_plain_request_for_a_configured_host_is_metered(tmp_path: Path) -> None:
    with mock.MockUpstream(lambda r: mock.json_reply({"model": "m"})) as own:
        providers = {"mine": ProviderConfig(upstream=own.url, speaks="openai")}
        with (
            intercepting(nobody, tmp_path, providers=providers) as setting,
            setting.proxy.connect() as client,
        ):
            where = own.url.removeprefix("http://")
            for _ in range(2):
                line = f"POST {own.url}/v1/chat/completions HTTP/1.1"
                client.send(f"{line}\r\nHost: {where}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
                assert client.answer().status == 200
            first, second = setting.proxy.settled(2)
        assert {first.provider, second.provider} == {"mine"}
        assert (first.surface, first.host) == ("mine.chat", where)
        assert [request.target for request in own.requests] == [b"/v1/chat/completions"] * 2


HERE = "127.0.0.1"
REFUSED: dict[str, str] = {
    "loopback": "127.0.0.1:443",
    "loopback by name": "localhost:443",
    "loopback, short": "127.1:443",
    "loopback, decimal": "2130706433:443",
    "loopback, hexadecimal": "0x7f000001:443",
    "loopback, octal": "0177.0.0.1:443",
    "loopback of IPv6": "[::1]:443",
    "loopback inside IPv6": "[::ffff:127.0.0.1]:443",
    "this host": "0.0.0.0:443",
    "metadata": "169.254.169.254:443",
    "metadata inside IPv6": "[::ffff:169.254.169.254]:443",
    "private 10": "10.0.0.1:443",
    "private 172": "172.16.0.1:443",
    "private 192": "192.168.0.1:443",
    "carrier-grade NAT": "100.64.0.1:443",
    "unique local": "[fd00::1]:443",
    "link local": "[fe80::1]:443",
    "multicast": "224.0.0.1:443",
    "port of SSH": "93.184.216.34:22",
    "port of mail": "93.184.216.34:25",
    "own port": "{own}",
    "own port by name": "localhost:{port}",
    "port zero": "example.com:0",
    "port too large": "example.com:65536",
    "no port": "example.com",
    "a user": "user@example.com:443",
    "a path": "example.com:443/",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_tunnel_to_where_strangers_may_not_go_is_refused(name: str, tmp_path: Path) -> None:
    with ProxyThread({}, limits=QUICK) as proxy, proxy.connect() as client:
        target = REFUSED[name].replace("{own}", f"127.0.0.1:{proxy.port}").replace("{port}", str(proxy.port))
        client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        answer = client.until_closed()
    assert answer.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 ")), answer
    assert b"x-farebox-error: policy:" in answer
    assert proxy.journal.entries == []


def test_no_connection_is_made_to_a_refused_address(tmp_path: Path) -> None:
    """A canary listens on 443's stand-in; strangers do not reach it, whoever has the password does."""
    with echoing() as (port, seen):
        from farebox.config import Config, InterceptionConfig

        from interception_harness import InterceptingThread  # isort: skip

        config = Config(interception=InterceptionConfig(ports=(port,)))
        with InterceptingThread(config, password="p") as proxy:
            for target in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::ffff:127.0.0.1]:{port}"):
                for header in (
                    "X: y",
                    password("wrong"),
                    "Proxy-Authorization: Basic",
                    "Proxy-Authorization: p",
                ):
                    with proxy.connect() as client:
                        client.send(
                            f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{header}\r\n\r\n".encode()
                        )
                        assert client.until_closed().startswith(b"HTTP/1.1 403 ")
                with proxy.connect() as client:
                    client.send(f"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
                    assert client.until_closed().startswith(b"HTTP/1.1 403 ")
            assert seen == []
            with proxy.connect() as client:
                target = f"127.0.0.1:{port}"
                client.send(
                    f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{password('p')}\r\n\r\n".encode()
                )
                assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
            with proxy.connect() as client:  # its own port is closed to everybody
                target = f"127.0.0.1:{proxy.port}"
                client.send(
                    f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{password('p')}\r\n\r\n".encode()
                )
                assert client.until_closed().startswith(b"HTTP/1.1 403 ")


TO = "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n"
URL = "GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n"
AMBIGUOUS: dict[str, str] = {
    "another host": "CONNECT example.com:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n",
    "two hosts": f"{TO}Host: example.com\r\n\r\n",
    "a body": f"{TO}Content-Length: 5\r\n\r\nhello",
    "chunks": f"{TO}Transfer-Encoding: chunked\r\n\r\n",
    "a web page": f"{TO}Origin: https://a.example\r\n\r\n",
    "a web page's word": f"{TO}Sec-Fetch-Site: none\r\n\r\n",
    "an underscore": f"{TO}Content_Length: 5\r\n\r\n",
    "folded": f"{TO}X: y\r\n z\r\n\r\n",
    "a line feed alone": f"{TO}X: y\nZ: z\r\n\r\n",
    "space before colon": TO.replace("Host:", "Host :") + "\r\n",
    "two spaces": TO.replace("CONNECT ", "CONNECT  ") + "\r\n",
    "version": TO.replace("1.1", "2.0") + "\r\n",
    "control": TO.replace("exam", "exam\x01", 1) + "\r\n",
    "upgrade": f"{TO}Upgrade: h2c\r\n\r\n",
    "large": TO + "X: y\r\n" * 12_000 + "\r\n",
    "whole URL, another host": URL.replace("Host: example.com", "Host: example.org") + "\r\n",
    "whole URL with a user": URL.replace("//", "//u:p@") + "\r\n",
    "whole URL, two lengths": f"{URL}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "whole URL, length and coding": f"{URL}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "whole URL from a web page": f"{URL}Origin: https://a.example\r\n\r\n",
    "whole URL of another kind": URL.replace("http:", "ftp:") + "\r\n",
    "whole URL, port of mail": URL.replace("example.com", "example.com:25") + "\r\n",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_request_for_another_host_that_can_be_read_in_two_ways_is_refused(
    name: str, tmp_path: Path
) -> None:
    with (
        echoing() as (port, seen),
        intercepting(
            nobody, tmp_path, addresses={"example.com": f"127.0.0.1:{port}"}, limits=QUICK
        ) as setting,
        setting.proxy.connect() as client,
    ):
        client.send(AMBIGUOUS[name].encode("latin-1"))
        answer = client.until_closed()
        assert answer[:10] == b"HTTP/1.1 4" or answer[:10] == b"HTTP/1.1 5", answer
        assert b"x-farebox-error: policy:" in answer
        assert seen == []
        assert setting.journal.entries == []


def test_a_tunnel_whose_client_goes_lets_go_of_the_other_side(tmp_path: Path) -> None:
    with (
        echoing() as (port, _),
        intercepting(nobody, tmp_path, addresses={"example.com": f"127.0.0.1:{port}"}) as setting,
    ):
        with setting.connect("example.com:443") as client:
            client.until(b"\r\n\r\n")
            assert len(setting.proxy.proxy.state.clients) == 1
        setting.proxy.settle(lambda: not setting.proxy.proxy.state.clients)


def test_a_host_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    with ProxyThread({}, limits=QUICK) as proxy, proxy.connect() as client:
        client.send(b"CONNECT no-such-host.invalid:443 HTTP/1.1\r\nHost: no-such-host.invalid:443\r\n\r\n")
        assert b"x-farebox-error: dns_failed" in client.until_closed()
