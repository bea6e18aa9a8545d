"""Client tokens at the proxy: who gets in, what is attributed, what never goes upstream, and until when."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from h2.events import RequestReceived, ResponseReceived, StreamEnded
from interception_harness import HOST, echoing, intercepting
from proxy_harness import MockUpstream, ProxyThread, Reply, Request, mock, serving
from test_http2 import ANSWER, BODY, End, proxied
from test_http2 import authority as h2_authority
from test_websocket import ASK, UPGRADE, conversation, created, done, play

from farebox.access import tokens
from farebox.access.client_address import ReverseProxies
from farebox.access.rate_limit import WRONG_PER_MINUTE, RequestRates
from farebox.access.roles import ALLOWED, ROLES, SCOPES, allowed
from farebox.clock import now_ns
from farebox.config import ProviderConfig
from farebox.proxy.admission import client_tokens
from farebox.proxy.admission.client_tokens import ClientTokens
from farebox.proxy.limits import Limits
from farebox.snapshot import PublishedToken, Snapshot, SnapshotReader
from farebox.wire.http.upgrade import accept_of

CHAT = "/openai/v1/chat/completions"
CALL = json.dumps({"model": "gpt-4o", "user": "stated-user"}).encode()
KIND = "Content-Type: application/json"
ACME = {"customer": "acme", "project": "chat"}


class Published(SnapshotReader):
    """A snapshot that the test changes, as `farebox tokens` does."""

    def __init__(self) -> None:
        super().__init__(None)

    def issue(self, scope: Any = "client", *, expires_at: int | None = None, **binding: str) -> str:
        secret = tokens.new_secret(scope)
        token = PublishedToken(
            id=f"id-{len(self.current.tokens)}", scope=scope, binding=binding, expires_at=expires_at
        )
        known = {**self.current.tokens, tokens.hash_of(secret.encode()): token}
        self.current = Snapshot(tokens=known)
        return secret

    def revoke(self, secret: str) -> None:
        known = dict(self.current.tokens)
        del known[tokens.hash_of(secret.encode())]
        self.current = Snapshot(tokens=known)


@pytest.fixture
def published() -> Published:
    return Published()


def answer(request: Request) -> Reply:
    return mock.json_reply(mock.chat_answer("hello"))


@contextmanager
def guarded(
    published: Published, *, provider: str = "openai", limits: Limits | None = None, **clients: Any
) -> Iterator[tuple[MockUpstream, ProxyThread]]:
    """Run a proxy that needs tokens, in front of a mock."""
    who = ClientTokens(published, **{"required": True, **clients})
    with serving(answer, provider=provider, clients=who, limits=limits) as found:
        yield found


def shown(secret: str) -> str:
    return f"x-farebox-token: {secret}"


def assert_nothing_happened(server: MockUpstream, proxy: ProxyThread) -> None:
    assert server.requests == []
    assert proxy.journal.entries == []


# Who gets in.


def every_way_to_be_nobody(published: Published) -> dict[str, str | None]:
    revoked = published.issue()
    published.revoke(revoked)
    return {
        "none": None,
        "empty": "",
        "wrong": tokens.new_secret("client"),
        "not one": "Bearer sk-1234567890",
        "revoked": revoked,
        "expired": published.issue(expires_at=now_ns() - 1),
        **{scope: published.issue(scope) for scope in SCOPES if scope != "client"},
    }


def test_who_has_no_client_token_in_force_is_told_nothing_and_nothing_is_forwarded(
    published: Published,
) -> None:
    ways = every_way_to_be_nobody(published)
    told: set[tuple[int, bytes | None, bytes]] = set()
    with guarded(published) as (server, proxy):
        for secret in ways.values():
            for path in (CHAT, "/nothing/here", "/openai/v1/models"):
                with proxy.connect() as client:
                    found = client.post(path, CALL, KIND, *([] if secret is None else [shown(secret)]))
                assert found.status in (401, 429)
                for word in (
                    b"expired",
                    b"revoked",
                    b"scope",
                    b"/anthropic",
                    *([secret.encode()] if secret else ()),
                ):
                    assert word not in found.body
                if secret is not None and path == CHAT and found.status == 401:
                    told.add((found.status, found.header("x-farebox-error"), found.body))
        assert_nothing_happened(server, proxy)
        assert len(told) == 1, "what is wrong with a token can be told from the response"
        with proxy.connect() as client:  # a good token, as a control: all of it would have been forwarded
            assert client.post(CHAT, CALL, KIND, shown(published.issue())).status == 200
        proxy.settled(1)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_gets_from_the_proxys_routes_what_the_table_says(published: Published, role: Any) -> None:
    with guarded(published) as (_, proxy):
        found = reached(proxy, published, role)
    assert found.keys() == ALLOWED["proxy"].keys(), "a route of the proxy is missing in the table or here"
    assert found == {route: role in allowed("proxy", route) for route in found}


def test_a_guard_that_lets_a_role_in_that_the_table_does_not_is_noticed(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_tokens, "_REQUEST", frozenset(("client", "read")))
    with guarded(published) as (_, proxy):
        found = reached(proxy, published, "read")
    assert found != {route: "read" in allowed("proxy", route) for route in found}


def reached(proxy: ProxyThread, published: Published, role: Any) -> dict[str, bool]:
    """Return which routes of the proxy a role gets something from."""
    headers = [] if role == "nobody" else [shown(published.issue(role))]

    def status(head: str, *more: str) -> int:
        with proxy.connect() as client:
            client.send("\r\n".join((head, *more, *headers, "", "")).encode())
            return client.answer().status

    host = f"Host: 127.0.0.1:{proxy.port}"
    with proxy.connect() as client:
        health = client.get("/health", *headers)
    return {
        "/": status("GET / HTTP/1.1", host) == 200,
        "/health": health.status == 200,
        "/health/live": status("GET /health/live HTTP/1.1", host) == 200,
        "/health/ready": status("GET /health/ready HTTP/1.1", host) == 200,
        "/health in detail": "journal" in health.body.decode(),
        "/{provider}/{path}": status(f"POST {CHAT} HTTP/1.1", host, "Content-Length: 0") == 200,
        "/{package.Service}/{method}": _grpc(proxy, headers),
        "CONNECT {host}:{port}": status("CONNECT 127.0.0.1:443 HTTP/1.1", "Host: 127.0.0.1:443") == 403,
        "{scheme}://{host}/{path}": status("GET http://127.0.0.1/ HTTP/1.1", "Host: 127.0.0.1") == 403,
    }


def _grpc(proxy: ProxyThread, headers: list[str]) -> bool:
    """Return whether a gRPC call of a service that nobody serves gets so far as to be told that."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as connection:
        client = End(connection, client=True)
        more = [(name, value) for name, _, value in (header.partition(": ") for header in headers)]
        kind = [("content-type", "application/grpc"), ("te", "trailers")]
        client.ask(h2_authority(proxy), *kind, *more, path="/nobody.knows.Service/Call")
        response = client.until(ResponseReceived)
        return dict(response.headers)["grpc-status"] != "16"


# Whose calls they are.


def test_a_tokens_binding_is_verified_and_nothing_that_is_stated_overrides_it(published: Published) -> None:
    secret = published.issue(**ACME)
    with guarded(published) as (server, proxy):
        with proxy.connect() as client:
            for _ in range(2):  # the second one is served from the head that was kept
                found = client.post(
                    CHAT, CALL, KIND, shown(secret), "x-farebox-customer: other", "x-farebox-user: anna",
                    "baggage: farebox.customer=third,farebox.project=third",
                )  # fmt: skip
                assert found.status == 200
        dones = proxy.settled(2)
    token_id = published.current.tokens[tokens.hash_of(secret.encode())].id
    for record in dones:
        assert record.attribution["customer"] == "acme"
        assert record.attribution["project"] == "chat"
        assert record.attribution["user"] == "anna"
        assert record.attribution_from["customer"] == f"token:{token_id}"
        assert record.attribution_from["user"] == "header:x-farebox-user"
        assert "token" not in record.attribution
    assert_no_secret(secret, server, proxy)


def test_without_a_token_a_stated_customer_stays_stated(published: Published) -> None:
    with guarded(published, required=False) as (_, proxy):
        with proxy.connect() as client:
            assert client.post(CHAT, CALL, KIND, "x-farebox-customer: other").status == 200
        (record,) = proxy.settled(1)
    assert record.attribution_from["customer"] == "header:x-farebox-customer"


def test_on_loopback_a_token_is_not_needed_and_one_that_is_shown_has_to_be_good(published: Published) -> None:
    secret = published.issue(customer="acme")
    with guarded(published, required=False) as (server, proxy):
        with proxy.connect() as client:
            assert client.post(CHAT, CALL, KIND).status == 200
            assert client.post(CHAT, CALL, KIND, shown(secret)).status == 200
        with proxy.connect() as client:
            assert client.post(CHAT, CALL, KIND, shown(tokens.new_secret("client"))).status == 401
        with proxy.connect() as client:  # somebody else's credentials in the environment mean nothing here
            basic = base64.b64encode(b"corporate:password").decode()
            assert client.post(CHAT, CALL, KIND, f"Proxy-Authorization: Basic {basic}").status == 200
        first, second, third = proxy.settled(3)
        with proxy.connect() as client:
            assert "journal" in json.loads(client.get("/health").body)
    assert "customer" not in first.attribution and "customer" not in third.attribution
    assert second.attribution["customer"] == "acme"
    assert_no_secret(secret, server, proxy)


# What never goes upstream.


def assert_no_secret(secret: str, server: MockUpstream, proxy: ProxyThread) -> None:
    assert server.requests
    for request in server.requests:
        assert b"fbx_" not in request.raw_head and b"x-farebox-token" not in request.raw_head.lower()
        assert b"proxy-authorization" not in request.raw_head.lower()
    assert secret not in repr(proxy.journal.entries)
    assert "fbx_" not in repr(proxy.journal.entries)


@pytest.mark.parametrize("required", [True, False])
def test_a_token_is_stripped_on_every_way_in(published: Published, tmp_path: Path, required: bool) -> None:
    secret = published.issue(customer="acme")
    basic = base64.b64encode(f"{secret}:".encode()).decode()
    as_password = base64.b64encode(f"farebox:{secret}".encode()).decode()
    with guarded(published, required=required) as (server, proxy):
        with proxy.connect() as client:
            client.post(CHAT, CALL, KIND, f"X-Farebox-Token: {secret}")
            client.post(CHAT, CALL, KIND, f"Proxy-Authorization: Basic {basic}")
            client.post(CHAT, CALL, KIND, f"proxy-authorization: basic {as_password}")
            client.post(CHAT, CALL, KIND, f"Proxy-Authorization: Bearer {secret}")
        for record in proxy.settled(4):
            assert record.attribution["customer"] == "acme"
        assert_no_secret(secret, server, proxy)


@pytest.mark.parametrize("required", [True, False])
def test_a_token_is_stripped_from_http2_and_its_binding_verified(
    published: Published, required: bool
) -> None:
    secret = published.issue(customer="acme")
    heads: list[list[tuple[str, str]]] = []

    def serve(server: End) -> None:
        request = server.until(RequestReceived)
        heads.append(list(request.headers))
        server.until(StreamEnded)
        server.h2.send_headers(request.stream_id, [(":status", "200"), ("content-type", "application/json")])
        server.send(request.stream_id, ANSWER)
        server.until(type(None))

    who = ClientTokens(published, required=required)
    with proxied(serve, clients=who) as (client, running):
        stream = client.ask(
            h2_authority(running), ("x-farebox-token", secret), ("content-type", "application/json")
        )
        client.send(stream, BODY)
        (record,) = running.settled(1)
    assert record.attribution["customer"] == "acme"
    assert heads and all("fbx_" not in value and "token" not in name for name, value in heads[0])
    assert secret not in repr(running.journal.entries)


def test_http2_without_a_token_is_refused_before_anything_is_forwarded(published: Published) -> None:
    with proxied(clients=ClientTokens(published, required=True)) as (client, running):
        stream = client.ask(h2_authority(running), ("content-type", "application/json"))
        response = client.until(ResponseReceived, stream)
        assert dict(response.headers)[":status"] == "401"
        assert running.journal.entries == []


def test_a_token_is_stripped_from_a_websockets_handshake(published: Published) -> None:
    secret = published.issue(customer="acme")
    who = ClientTokens(published, required=True)
    session = conversation(ASK, created(1), done(1))
    dones, proxy = play(session, headers={"x-farebox-token": secret}, clients=who)
    assert {record.attribution["customer"] for record in dones} == {"acme"}
    assert secret not in repr(proxy.journal.entries)


def test_a_websocket_without_a_token_is_refused(published: Published) -> None:
    with guarded(published) as (server, proxy):
        with proxy.connect() as client:
            client.send(client.head("GET", "/openai/v1/realtime?model=gpt-realtime", *UPGRADE))
            assert client.answer().status == 401
        assert_nothing_happened(server, proxy)


# Until when.


def test_a_token_that_is_revoked_is_refused_on_a_connection_that_was_kept(published: Published) -> None:
    secret, other = published.issue(customer="acme"), published.issue(customer="other")
    with guarded(published) as (server, proxy):
        with proxy.connect() as client, proxy.connect() as beside:
            assert client.post(CHAT, CALL, KIND, shown(secret)).status == 200
            assert beside.post(CHAT, CALL, KIND, shown(other)).status == 200
            published.revoke(secret)
            assert client.post(CHAT, CALL, KIND, shown(secret)).status == 401
            assert beside.post(CHAT, CALL, KIND, shown(other)).status == 200
        proxy.settled(3)
        assert len(server.requests) == 3


def test_a_token_that_expires_is_refused_on_a_connection_that_was_kept(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = published.issue(expires_at=now_ns() + 3600 * 10**9)
    with guarded(published) as (server, proxy), proxy.connect() as client:
        assert client.post(CHAT, CALL, KIND, shown(secret)).status == 200
        assert client.post(CHAT, CALL, KIND, shown(secret)).status == 200
        monkeypatch.setattr(tokens, "now_ns", lambda: now_ns() + 3601 * 10**9)
        assert client.post(CHAT, CALL, KIND, shown(secret)).status == 401
        proxy.settled(2)
        assert len(server.requests) == 2


def test_a_websocket_ends_when_its_token_is_revoked(published: Published) -> None:
    secret = published.issue()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        who = ClientTokens(published, required=True)
        limits = Limits(sweep_s=0.02)
        with ProxyThread({"openai": ProviderConfig(upstream=url)}, clients=who, limits=limits) as proxy:
            with proxy.connect() as client:
                client.send(client.head("GET", "/openai/v1/realtime?model=x", *UPGRADE, shown(secret)))
                connection, _ = listener.accept()
                with connection:
                    assert b"fbx_" not in connection.recv(65536)
                    connection.sendall(
                        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        b"Sec-WebSocket-Accept: " + accept_of(b"A" * 22 + b"==") + b"\r\n\r\n"
                    )
                    client.until(b"\r\n\r\n")
                    published.revoke(secret)
                    assert client.until_closed() == b""
            proxy.settled(1)


# The forward proxy.


def credentials(secret: str) -> str:
    return "Proxy-Authorization: Basic " + base64.b64encode(f"{secret}:".encode()).decode()


def test_a_client_of_the_forward_proxy_shows_its_token_once_and_each_request_is_checked(
    published: Published, tmp_path: Path
) -> None:
    secret = published.issue(customer="acme")
    who = ClientTokens(published, required=True)
    path = "/v1/chat/completions"
    with intercepting(answer, tmp_path, clients=who) as setting:
        refused = setting.connect()
        said = refused.until(b"\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 407 ") and b"proxy-authenticate: Basic" in said
        refused.socket.close()
        with setting.secured(HOST, credentials(secret)) as client:
            for _ in range(2):
                assert client.post(path, CALL, KIND, "x-farebox-customer: other").status == 200
            published.revoke(secret)
            assert client.post(path, CALL, KIND, "x-farebox-customer: other").status == 401
        dones = setting.proxy.settled(2)
        assert {record.attribution["customer"] for record in dones} == {"acme"}
        assert len(setting.server.requests) == 2
        assert_no_secret(secret, setting.server, setting.proxy)


def test_a_whole_url_needs_a_token_too_and_it_is_stripped(published: Published, tmp_path: Path) -> None:
    secret = published.issue(customer="acme")
    with guarded(published) as (server, proxy):
        target = f"http://127.0.0.1:{server.port}/v1/chat/completions"
        lines = [f"POST {target} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", KIND]
        with proxy.connect() as client:
            client.send("\r\n".join((*lines, f"Content-Length: {len(CALL)}", "", "")).encode() + CALL)
            found = client.answer()
            assert (found.status, found.header("proxy-authenticate")) == (407, b'Basic realm="farebox"')
        assert_nothing_happened(server, proxy)
        with proxy.connect() as client:
            for _ in range(2):
                more = (credentials(secret), f"Content-Length: {len(CALL)}")
                client.send("\r\n".join((*lines, *more, "", "")).encode() + CALL)
                assert client.answer().status == 200
            published.revoke(secret)
            client.send("\r\n".join((*lines, *more, "", "")).encode() + CALL)
            assert client.answer().status == 407
        for record in proxy.settled(2):
            assert record.attribution["customer"] == "acme"
        assert_no_secret(secret, server, proxy)


def test_a_tunnel_ends_when_its_token_is_revoked(published: Published, tmp_path: Path) -> None:
    secret = published.issue()
    who = ClientTokens(published, required=True)
    with echoing() as (port, seen):
        config: dict[str, Any] = {"addresses": {"echo.example": f"127.0.0.1:{port}"}}
        with intercepting(answer, tmp_path, clients=who, limits=Limits(sweep_s=0.02), **config) as setting:
            client = setting.connect("echo.example:443", credentials(secret))
            assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
            client.send(b"ping")
            assert client.until(b"ping") == b"ping"
            published.revoke(secret)
            assert client.until_closed() == b""
            client.socket.close()
            assert seen == [b"ping"]


# How many, and how large.


@pytest.mark.parametrize(
    ("provider", "path", "where"),
    [
        ("openai", "/v1/chat/completions", lambda body: body["error"]["type"]),
        ("anthropic", "/v1/messages", lambda body: body["error"]["type"]),
    ],
)
def test_too_many_requests_of_a_token_get_429_in_the_providers_shape(
    published: Published, provider: str, path: str, where: Any
) -> None:
    secret, other = published.issue(), published.issue()
    with guarded(published, provider=provider, rates=RequestRates(6, 0)) as (server, proxy):
        with proxy.connect() as client:
            assert client.post(f"/{provider}{path}", CALL, KIND, shown(secret)).status == 200
            found = client.post(f"/{provider}{path}", CALL, KIND, shown(secret))
        assert found.status == 429
        assert 1 <= int(found.header("retry-after") or b"") <= 10
        assert where(json.loads(found.body)) == "rate_limit_error"
        with proxy.connect() as client:
            assert client.post(f"/{provider}{path}", CALL, KIND, shown(other)).status == 200
        proxy.settled(2)
        assert len(server.requests) == 2


def test_too_many_requests_of_an_address_get_429_whatever_their_token(published: Published) -> None:
    with guarded(published, rates=RequestRates(0, 6)) as (server, proxy):
        with proxy.connect() as client:
            assert client.post(CHAT, CALL, KIND, shown(published.issue())).status == 200
        with proxy.connect() as client:
            assert client.post(CHAT, CALL, KIND, shown(published.issue())).status == 429
        proxy.settled(1)
        assert len(server.requests) == 1


def test_behind_a_named_reverse_proxy_each_of_its_clients_has_its_own_rate(published: Published) -> None:
    behind = ReverseProxies(["127.0.0.1"])
    with guarded(published, rates=RequestRates(0, 6), behind=behind) as (server, proxy):

        def ask(*headers: str) -> int:
            with proxy.connect() as client:
                return client.post(CHAT, CALL, KIND, shown(published.issue()), *headers).status

        assert ask("X-Forwarded-For: 198.51.100.1") == 200
        assert ask("X-Forwarded-For: 203.0.113.9, 198.51.100.1") == 429  # its client wrote the first
        assert ask("X-Forwarded-For: 198.51.100.2", "X-Real-IP: 198.51.100.2", "Forwarded: for=x") == 200
        proxy.settled(2)
        for request in server.requests:  # no provider's business
            assert b"198.51.100" not in request.raw_head and b"orwarded" not in request.raw_head


def test_an_unnamed_peer_cannot_choose_its_address(published: Published) -> None:
    with guarded(published, rates=RequestRates(0, 6)) as (_, proxy):
        found = []
        for number in range(2):
            with proxy.connect() as client:
                headers = (shown(published.issue()), f"X-Forwarded-For: 198.51.100.{number}")
                found.append(client.post(CHAT, CALL, KIND, *headers).status)
        assert found == [200, 429]
        proxy.settled(1)


def test_guesses_from_one_address_are_told_to_wait_and_a_good_token_from_it_is_not(
    published: Published,
) -> None:
    good = published.issue()
    with guarded(published) as (server, proxy):
        found = []
        for _ in range(WRONG_PER_MINUTE + 3):
            with proxy.connect() as client:
                found.append(client.post(CHAT, CALL, KIND, shown(tokens.new_secret("client"))).status)
        assert found == [401] * WRONG_PER_MINUTE + [429] * 3
        assert_nothing_happened(server, proxy)
        with proxy.connect() as client:
            assert client.post(CHAT, CALL, KIND, shown(good)).status == 200
        proxy.settled(1)


def test_a_body_over_the_limit_is_refused_however_it_is_framed(published: Published) -> None:
    secret = published.issue()
    large = json.dumps({"model": "gpt-4o", "input": "x" * 5000}).encode()
    with guarded(published, limits=Limits(request_body=4096)) as (server, proxy):
        with proxy.connect() as client:
            assert client.post(CHAT, CALL, KIND, shown(secret)).status == 200
            assert client.post(CHAT, large, KIND, shown(secret)).status == 413  # the head was kept
        with proxy.connect() as client:
            client.send(client.head("POST", CHAT, KIND, shown(secret), "Transfer-Encoding: chunked"))
            client.send(b"%x\r\n%b\r\n" % (len(large), large))
            assert client.answer().status == 413
        proxy.settle(lambda: not proxy.proxy.state.clients)
        assert len(server.requests) == 1


def test_two_tokens_in_one_request_are_none(published: Published) -> None:
    with guarded(published) as (server, proxy):
        with proxy.connect() as client:
            good = shown(published.issue())
            assert client.post(CHAT, CALL, KIND, good, good).status == 401
        assert_nothing_happened(server, proxy)


def test_the_owner_of_the_machine_sees_how_the_proxy_is(published: Published) -> None:
    owner = tokens.owner_token(b"s" * 32)
    with guarded(published, owner=owner) as (_, proxy), proxy.connect() as client:
        assert json.loads(client.get("/health").body) == {"ready": True, "reasons": []}
        assert "journal" in json.loads(client.get("/health", shown(owner)).body)
        assert client.post(CHAT, CALL, KIND, shown(owner)).status == 401  # and may ask for nothing else
