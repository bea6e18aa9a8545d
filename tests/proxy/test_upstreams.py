"""Which upstreams are called at all: their addresses are checked, their certificates verified."""

from __future__ import annotations

import json
import socket
import ssl

import pytest
from proxy_harness import (
    QUICK,
    MockUpstream,
    ProxyThread,
    certificate,
    mock,
    server_tls,
    serving,
)

from farebox.config import ProviderConfig

CHAT = "/openai/v1/chat/completions"
JSON = "Content-Type: application/json"
ANSWER = mock.render(mock.json_reply(b""), json.dumps(mock.chat_answer("hi")).encode())
USUAL = mock.raw_reply(ANSWER)


def test_redirects_are_handed_on_and_not_followed() -> None:
    location = (b"location", b"http://169.254.169.254/latest")
    with serving(lambda _: mock.Reply(302, (location,))) as (upstream, proxy), proxy.connect() as client:
        answer = client.get("/openai/v1/x")
        assert answer.status == 302
        assert answer.header("location") == location[1]
    assert upstream.count == 1


# Addresses


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "0.0.0.0", "[::1]",  # noqa: S104
      "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1",
     "192.168.1.1", "172.16.0.1", "100.64.0.1", "[fe80::1]", "[fd00::1]", "224.0.0.1", "127.1", "2130706433",
     "[64:ff9b::7f00:1]", "[2002:7f00:1::]"],
)  # fmt: skip
def test_a_catalog_host_that_means_a_private_address_is_refused(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MockUpstream(lambda _: USUAL) as upstream:
        proxy = ProxyThread({})
        route = proxy.proxy.routes.find(b"/openai/v1/x")
        assert route is not None
        origin = route[0].origin
        assert not origin.private_allowed
        origin.host, origin.port, origin.secure = host.strip("[]"), upstream.port, False
        with proxy, proxy.connect() as client:
            answer = client.post(CHAT, b"{}", JSON)
            (done,) = proxy.settled(1)
        assert answer.status == 502
        assert done.error_class == "policy:address"
        assert upstream.connections == 0


def test_an_address_of_our_own_is_refused_even_when_configured() -> None:
    with socket.socket() as placeholder:
        placeholder.bind(("127.0.0.1", 0))
        port = placeholder.getsockname()[1]
    for host in ("127.0.0.1", "localhost", "127.0.0.2", "0.0.0.0"):  # noqa: S104
        proxy = ProxyThread({"openai": ProviderConfig(upstream=f"http://{host}:{port}")})
        for origin in proxy.proxy.routes.origins:
            origin.own_ports = lambda: frozenset((port,))
        with proxy, proxy.connect() as client:
            assert client.post(CHAT, b"{}", JSON).status == 502
            assert proxy.settled(1)[0].error_class == "policy:address"


def test_public_addresses_are_fine() -> None:
    from farebox.outbound import addresses

    for address in ("8.8.8.8", "2606:4700::1111", "1.1.1.1"):
        assert addresses.refusal(address, 443, private_allowed=False, own_ports=frozenset()) is None


# TLS


@pytest.fixture
def tls_files(tmp_path, monkeypatch):  # type: ignore[no-untyped-def]
    files = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
    return files


def test_tls_upstreams_are_verified_pooled_and_resume_their_sessions(tls_files) -> None:  # type: ignore[no-untyped-def]
    context = server_tls(*tls_files[1:])
    with MockUpstream(lambda _: USUAL, tls=context) as upstream:
        url = f"https://localhost:{upstream.port}"
        with ProxyThread({"openai": ProviderConfig(upstream=url)}) as proxy, proxy.connect() as client:
            for _ in range(3):
                assert client.post(CHAT, b"{}", JSON).status == 200
            assert upstream.connections == 1
            upstream.drop_idle()
            proxy.settle(lambda: not any(origin.live for origin in proxy.proxy.routes.origins))
            assert client.post(CHAT, b"{}", JSON).status == 200
            assert upstream.connections == 2
            assert context.session_stats()["hits"] == 1
            proxy.settled(4)


def test_a_certificate_for_another_name_is_refused(tls_files) -> None:  # type: ignore[no-untyped-def]
    with MockUpstream(lambda _: USUAL, tls=server_tls(*tls_files[1:])) as upstream:
        url = f"https://127.0.0.1:{upstream.port}"
        with ProxyThread({"openai": ProviderConfig(upstream=url)}) as proxy, proxy.connect() as client:
            assert client.post(CHAT, b"{}", JSON, "Authorization: Bearer sk-secret").status == 502
            (done,) = proxy.settled(1)
        assert done.error_class == "tls_failed"
        assert upstream.count == 0


def test_a_certificate_without_alternative_names_is_refused(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    files = certificate(tmp_path, common_name="localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
    tls = server_tls(*files[1:])
    with MockUpstream(lambda _: USUAL, tls=tls) as upstream:
        control = ssl.create_default_context(cafile=str(files[0]))
        if control.hostname_checks_common_name:  # what Python does by itself: the common name counts
            with socket.create_connection(("127.0.0.1", upstream.port)) as plain:
                control.wrap_socket(plain, server_hostname="localhost").close()
        url = f"https://localhost:{upstream.port}"
        with ProxyThread({"openai": ProviderConfig(upstream=url)}) as proxy, proxy.connect() as client:
            assert client.post(CHAT, b"{}", JSON, "Authorization: Bearer sk-secret").status == 502
            assert proxy.settled(1)[0].error_class == "tls_failed"
        assert upstream.count == 0


def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    files = certificate(tmp_path, "localhost")
    with MockUpstream(lambda _: USUAL, tls=server_tls(*files[1:])) as upstream:
        url = f"https://localhost:{upstream.port}"
        with ProxyThread({"openai": ProviderConfig(upstream=url)}) as proxy, proxy.connect() as client:
            assert client.post(CHAT, b"{}", JSON).status == 502
            assert proxy.settled(1)[0].error_class == "tls_failed"
        assert upstream.count == 0


def test_an_expired_certificate_is_refused(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    files = certificate(tmp_path, "localhost", days=-1)
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
    with MockUpstream(lambda _: USUAL, tls=server_tls(*files[1:])) as upstream:
        url = f"https://localhost:{upstream.port}"
        with ProxyThread({"openai": ProviderConfig(upstream=url)}) as proxy, proxy.connect() as client:
            assert client.post(CHAT, b"{}", JSON).status == 502
            assert proxy.settled(1)[0].error_class == "tls_failed"


def test_a_server_that_does_not_speak_tls_is_an_upstream_failure() -> None:
    with MockUpstream(lambda _: USUAL) as upstream:
        url = f"https://127.0.0.1:{upstream.port}"
        with ProxyThread({"openai": ProviderConfig(upstream=url)}, limits=QUICK) as proxy:
            with proxy.connect() as client:
                assert client.post(CHAT, b"{}", JSON).status in (502, 504)
            assert proxy.settled(1)[0].outcome == "upstream_failed"


# Too many
