"""TLS for hosts of the catalog ends here; what is inside is metered like any other request."""

from __future__ import annotations

import json
import os
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from interception_harness import HOST, intercepting
from proxy_harness import QUICK, Reply, Request, certificate, dechunk, mock, server_tls

from farebox.certificates import authority
from farebox.certificates.making import Signer
from farebox.config import ProviderConfig

CHAT = "/v1/chat/completions"
ANSWER = {"id": "c1", "model": "gpt-4o", "usage": {"prompt_tokens": 1203, "completion_tokens": 187}}
EVENTS = [
    b'data: {"id":"c1","model":"gpt-4o","choices":[{"delta":{"content":"hi"}}]}\n\n',
    b'data: {"id":"c1","model":"gpt-4o","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\n',
    b"data: [DONE]\n\n",
]


def answering(request: Request) -> Reply:
    return mock.json_reply(ANSWER)


def test_a_call_to_a_host_of_the_catalog_is_metered(tmp_path: Path) -> None:
    with intercepting(answering, tmp_path) as setting:
        with setting.secured() as client:
            for _ in range(3):
                answer = client.post(CHAT, b'{"model":"gpt-4o"}', "Authorization: Bearer sk-1", "X-Odd: a  b")
                assert (answer.status, json.loads(answer.body)) == (200, ANSWER)
        dones = setting.proxy.settled(3)
        assert {(done.provider, done.surface, done.host, done.outcome) for done in dones} == {
            ("openai", "openai.chat", HOST, "completed")
        }
        (part,) = dones[0].extraction.parts
        assert part.quantities == {"input_uncached": 1203, "output_text": 187}
        assert len(setting.journal.intents) == 3
        request = setting.server.requests[0]
        assert request.target == CHAT.encode()
        assert dict(request.headers)[b"Host"] == HOST.encode()
        assert dict(request.headers)[b"X-Odd"] == b"a  b"
        assert setting.server.connections == 1


def test_the_certificate_is_for_this_host_and_short_lived(tmp_path: Path) -> None:
    with intercepting(answering, tmp_path) as setting, setting.secured() as client:
        sock: Any = client.socket
        found = sock.getpeercert()
        assert found["subjectAltName"] == (("DNS", HOST),)
        lives_s = ssl.cert_time_to_seconds(found["notAfter"]) - time.time()
        assert 0 < lives_s <= 7 * 86_400
        assert sock.selected_alpn_protocol() == "http/1.1"
        assert not (tmp_path / "pinned").exists()
    kept = {file.name for file in (tmp_path / "ca" / "test").iterdir()}
    assert kept == {"root.pem", "intermediate.pem", "intermediate.key", "authority.json"}


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), (["h2"], "h2"), (["spdy/1"], None)],
)
def test_http2_is_for_clients_that_offer_nothing_else(
    offered: list[str], chosen: str | None, tmp_path: Path
) -> None:
    with intercepting(answering, tmp_path) as setting:
        context = ssl.create_default_context(cafile=str(setting.root))
        context.set_alpn_protocols(offered)
        with setting.secured(context=context) as client:
            sock: Any = client.socket
            assert sock.selected_alpn_protocol() == chosen


def test_a_stream_passes_event_by_event(tmp_path: Path) -> None:
    release = threading.Event()

    def slowly(request: Request) -> Reply:
        return Reply(200, ((b"content-type", b"text/event-stream"),), steps(), "chunked")

    def steps() -> Any:
        yield EVENTS[0]
        while not release.is_set():
            yield mock.Wait(0.01)
        yield from EVENTS[1:]

    with intercepting(slowly, tmp_path) as setting, setting.secured() as client:
        body = b'{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true}}'
        client.send(
            client.head("POST", CHAT, "Content-Type: application/json", f"Content-Length: {len(body)}")
        )
        client.send(body)
        first = client.until(b"\n\n\r\n")
        assert first.endswith(EVENTS[0] + b"\r\n")  # it has come, and the rest does not exist yet
        release.set()
        rest = client.until(b"0\r\n\r\n")
        assert dechunk(rest.removeprefix(b"\r\n")) == b"".join(EVENTS[1:])
        (done,) = setting.proxy.settled(1)
        assert done.extraction.parts[0].quantities == {"input_uncached": 7, "output_text": 3}


def test_a_request_inside_must_name_the_host_of_its_connection(tmp_path: Path) -> None:
    with intercepting(answering, tmp_path, limits=QUICK) as setting:
        for said in ("api.anthropic.com", "127.0.0.1", f"{HOST}.example.com", f"{HOST}:444"):
            with setting.secured() as client:
                client.send(f"GET /v1/models HTTP/1.1\r\nHost: {said}\r\n\r\n".encode())
                assert client.until_closed().startswith(b"HTTP/1.1 421 ")
        with setting.secured() as client:
            client.send(f"CONNECT other.example:443 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            assert client.until_closed().startswith(b"HTTP/1.1 405 ")
        with setting.secured() as client:
            client.send(f"GET https://other.example/ HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            assert client.until_closed().startswith(b"HTTP/1.1 400 ")
        with setting.secured() as client:
            client.send(f"GET /v1/models HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n".encode())
            assert client.answer().status == 200
        assert setting.server.count == 1


def test_what_a_page_inside_a_trusting_client_sends_is_the_providers_to_judge(tmp_path: Path) -> None:
    with intercepting(answering, tmp_path) as setting, setting.secured() as client:
        assert (
            client.post(CHAT, b"{}", "Origin: https://app.example", "Sec-Fetch-Site: cross-site").status
            == 200
        )
        assert dict(setting.server.requests[0].headers)[b"Origin"] == b"https://app.example"


def test_a_signed_request_arrives_as_it_was_signed(tmp_path: Path) -> None:
    """What SigV4 signs: method, path as escaped, query, host, dates, body."""
    host = "bedrock-runtime.us-east-1.amazonaws.com"
    with intercepting(answering, tmp_path, names=(host,), keeps=(host,)) as setting:
        with setting.secured(host) as client:
            path = "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse?a=%2F&b="
            signed = (
                "X-Amz-Date: 20261121T000000Z",
                "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/x, Signature=f",
            )
            assert (
                client.post(path, b'{"messages": [ ]}', *signed, "Content-Type: application/json").status
                == 200
            )
        request = setting.server.requests[0]
        headers = dict(request.headers)
        assert request.target.decode() == path
        assert headers[b"Host"] == host.encode()
        assert headers[b"X-Amz-Date"] == b"20261121T000000Z"
        assert headers[b"Authorization"].endswith(b"Signature=f")
        assert request.body == b'{"messages": [ ]}'
        (done,) = setting.proxy.settled(1)
        assert (done.provider, done.surface) == ("bedrock", "bedrock.converse")


def test_a_host_the_user_adds_is_metered_and_one_excepted_is_not(tmp_path: Path) -> None:
    providers = {"mine": ProviderConfig(speaks="openai", hosts=("llm.corp.example",))}
    names = (HOST, "llm.corp.example")
    with intercepting(
        answering, tmp_path, names=names, keeps=names, providers=providers, never=("*.openai.com",)
    ) as setting:
        with setting.secured("llm.corp.example") as client:
            assert client.post(CHAT, b'{"model":"gpt-4o"}').status == 200
        plain = ssl.create_default_context(cafile=str(tmp_path / "mock" / "ca.pem"))
        with setting.secured(context=plain) as client:  # the provider's own certificate
            assert client.post(CHAT, b'{"model":"gpt-4o"}').status == 200
        (done,) = setting.proxy.settled(1)
        assert (done.provider, done.host) == ("mine", "llm.corp.example")


# Upstreams are verified, whatever the client accepts.


@pytest.mark.parametrize("flaw", ["unknown issuer", "another name", "no alternative name", "expired"])
def test_an_upstream_with_a_bad_certificate_gets_no_request(flaw: str, tmp_path: Path) -> None:
    upstream: dict[str, Any] = {}
    if flaw != "unknown issuer":
        folder = tmp_path / "bad"
        folder.mkdir()
        names = {"another name": ("other.example",), "no alternative name": ()}.get(flaw, (HOST,))
        days = -1 if flaw == "expired" else 1
        ca_file, cert, key = certificate(folder, *names, days=days, common_name=HOST)
        upstream = {"tls": server_tls(cert, key)}
        own = str(ca_file)
    else:
        own = None
    with (
        intercepting(
            answering, tmp_path, trusts_mock=False, trusts=own, upstream=upstream, limits=QUICK
        ) as setting,
        setting.secured() as client,
    ):
        answer = client.post(CHAT, b"{}", "Authorization: Bearer sk-secret")
        assert answer.status == 502
        assert answer.header("x-farebox-error") == b"tls_failed"
        (done,) = setting.proxy.settled(1)
        assert (done.outcome, done.error_class) == ("upstream_failed", "tls_failed")
        assert setting.server.count == 0


def test_our_own_authority_is_no_reason_to_trust_an_upstream(tmp_path: Path) -> None:
    """An impostor with a leaf of ours, as one who has stolen the key would be."""
    made = authority.make(tmp_path / "stolen" / "ca", (HOST,))
    pem = Signer(made).leaf(HOST)
    file = tmp_path / "leaf.pem"
    file.write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with (
        intercepting(
            answering, tmp_path, trusts_mock=False, upstream={"tls": context}, limits=QUICK
        ) as setting,
        setting.secured() as client,
    ):
        assert client.post(CHAT, b"{}").status == 502
        assert setting.server.count == 0


# The authority may come and go while the proxy runs.


def test_without_an_authority_a_host_of_the_catalog_is_tunnelled(tmp_path: Path) -> None:
    with intercepting(answering, tmp_path) as setting:
        (tmp_path / "ca" / "test" / "authority.json").rename(tmp_path / "away.json")
        context = ssl.create_default_context(cafile=str(tmp_path / "mock" / "ca.pem"))
        with setting.secured(context=context) as client:
            assert client.post(CHAT, b"{}").status == 200
        assert setting.journal.entries == []


def test_a_rotated_authority_is_used_at_once(tmp_path: Path) -> None:
    with intercepting(answering, tmp_path) as setting:
        with setting.secured() as client:
            assert client.post(CHAT, b"{}").status == 200
        made = authority.make(tmp_path / "ca" / "test", (HOST,))
        context = ssl.create_default_context(cafile=str(made.root))
        with setting.secured(context=context) as client:
            assert client.post(CHAT, b"{}").status == 200


def test_a_host_the_authority_does_not_cover_is_tunnelled(tmp_path: Path) -> None:
    host = "api.groq.com"
    with intercepting(answering, tmp_path, names=(host,)) as setting:
        context = ssl.create_default_context(cafile=str(tmp_path / "mock" / "ca.pem"))
        with setting.secured(host, context=context) as client:
            assert client.post(CHAT, b"{}").status == 200
        assert setting.journal.entries == []


def test_clear_text_inside_a_tunnel_to_a_provider_gets_nowhere(tmp_path: Path) -> None:
    with intercepting(answering, tmp_path, limits=QUICK) as setting, setting.connect() as client:
        client.until(b"\r\n\r\n")
        client.send(b"GET /v1/models HTTP/1.1\r\nHost: api.openai.com\r\n\r\n")
        client.until_closed()
        assert setting.server.count == 0
        setting.proxy.settle(lambda: not setting.proxy.proxy.state.clients)


def test_a_handshake_that_stalls_is_ended(tmp_path: Path) -> None:
    with intercepting(answering, tmp_path, limits=QUICK) as setting, setting.connect() as client:
        client.until(b"\r\n\r\n")
        client.send(b"\x16\x03\x01")
        assert client.until_closed() == b""
        setting.proxy.settle(lambda: not setting.proxy.proxy.state.clients)


def test_a_request_with_a_whole_https_url_is_metered(tmp_path: Path) -> None:
    """How axios asks a proxy: in the clear on loopback, TLS from here on."""
    with intercepting(answering, tmp_path) as setting, setting.proxy.connect() as client:
        for _ in range(2):
            client.send(
                b"POST https://%b%b HTTP/1.1\r\nHost: %b\r\nContent-Length: 2\r\n\r\n{}"
                % (HOST.encode(), CHAT.encode(), HOST.encode())
            )
            assert client.answer().status == 200
        first, second = setting.proxy.settled(2)
        assert (first.surface, second.host) == ("openai.chat", HOST)


def test_many_clients_of_a_new_host_share_one_certificate(tmp_path: Path) -> None:
    with intercepting(answering, tmp_path) as setting:
        certificates: list[bytes] = []

        def ask() -> None:
            with setting.secured() as client:
                sock: Any = client.socket
                certificates.append(sock.getpeercert(binary_form=True))
                assert client.post(CHAT, b"{}").status == 200

        threads = [threading.Thread(target=ask) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(certificates) == 12
        assert len(set(certificates)) == 1


def test_the_issuers_process_ends_when_the_proxy_does(tmp_path: Path) -> None:
    with intercepting(answering, tmp_path) as setting:
        with setting.secured() as client:
            assert client.post(CHAT, b"{}").status == 200
        leaves = setting.proxy.proxy.interception.leaves
        assert leaves is not None
        issuer = leaves._issuer  # pyright: ignore[reportPrivateUsage]
        assert issuer is not None
        pid = issuer.pid
        os.kill(pid, 0)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.01)
    else:
        pytest.fail("the issuer has outlived its proxy")
