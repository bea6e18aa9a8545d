"""A key planted in every place of a request is nowhere on disk, in logs or in errors (S-57).

A whole proxy is run, with interception; its state directory and what it printed are searched.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from hashlib import blake2b, sha256
from pathlib import Path

import msgspec
import pytest
from proxy_harness import Client, certificate, mock, server_tls
from proxy_processes import ProxyProcess, end_all, files_below

from farebox.certificates import authority
from farebox.home import Home
from farebox.recording.callers import Fingerprints
from farebox.wire.usage.error_codes import shown_code

KEY = "sk-planted-7f3a9c51e8d24b60"
HOST = "api.openai.com"
PLACES: dict[str, tuple[str, str, list[str], str]] = {
    "bearer": ("POST", "/v1/chat/completions", [f"Authorization: Bearer {KEY}"], "{}"),
    "own header": ("POST", "/v1/chat/completions", [f"x-api-key: {KEY}"], "{}"),
    "another header": ("POST", "/v1/chat/completions", [f"X-Whatever: {KEY}"], "{}"),
    "cookie": ("POST", "/v1/chat/completions", [f"Cookie: session={KEY}"], "{}"),
    "query": ("POST", f"/v1/chat/completions?key={KEY}&api-key={KEY}", [], "{}"),
    "body": ("POST", "/v1/chat/completions", [], f'{{"messages": [{{"content": "{KEY}"}}]}}'),
    "broken body": ("POST", "/v1/chat/completions", ["Content-Type: application/json"], f'{{"model": "{KEY}'),
    "proxy authorization": ("GET", "/v1/models", [f"Proxy-Authorization: Basic {KEY}"], ""),
    "referer": ("GET", "/v1/models", [f"Referer: https://x.example/?{KEY}"], ""),
    "path segment": ("POST", f"/v1/{KEY}/chat/completions", [], "{}"),
    "another path segment": ("GET", f"/{KEY}", [], ""),
    "label": ("POST", "/v1/chat/completions", [f"x-farebox-user: {KEY}", f"x-farebox-tag-{KEY}: 1"], "{}"),
    "user": (
        "POST",
        "/v1/embeddings",
        ["Content-Type: application/json"],
        f'{{"user": "{KEY}", "model": "{KEY}"}}',
    ),
    "organization": ("POST", "/v1/embeddings", [f"OpenAI-Organization: {KEY}"], "{}"),
    "what the upstream says": ("POST", "/v1/embeddings", [f"Authorization: Bearer {KEY}"], "{}"),
    "what a stream says": ("POST", "/v1/responses", [f"Authorization: Bearer {KEY}"], '{"stream": true}'),
    "refused head": ("POST", "/v1/x", [f"X_Bad: {KEY}"], "{}"),
    "refused target": ("POST", f"/v1/../{KEY}", [], "{}"),
    "refused method": (f"KEY{KEY}", "/v1/x", [], ""),
}


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    yield
    end_all()


def respond(request: mock.Request) -> mock.Reply:
    """Answer as a provider that repeats the key in its error."""
    if request.target.startswith(b"/v1/chat"):
        return mock.json_reply({"error": {"message": f"Incorrect API key provided: {KEY}", "code": KEY}}, 401)
    said = {
        "id": f"id-{KEY}",
        "model": KEY,
        "usage": {"prompt_tokens": 3, "total_tokens": 3, KEY: 1, "note": KEY, "service_tier": KEY},
        "service_tier": KEY,
    }
    if request.target.startswith(b"/v1/embeddings"):
        return mock.json_reply(said, headers=((b"x-request-id", KEY.encode()),))
    if request.target.startswith(b"/v1/responses"):
        usage = {"input_tokens": 3, "output_tokens": 1, "note": KEY}
        event = {"type": "response.completed", "response": {**said, "usage": usage}}
        return mock.sse_reply([b"data: " + msgspec.json.encode(event) + b"\n\n"])
    return mock.json_reply({"data": []}, headers=((b"x-echo", KEY.encode()),))


def test_a_planted_key_is_nowhere(tmp_path: Path) -> None:
    mock_folder = tmp_path / "mock"
    mock_folder.mkdir()
    ca_file, cert, key = certificate(mock_folder, HOST)
    made = authority.make(tmp_path / "ca" / "x", (HOST,))
    with mock.MockUpstream(respond, tls=server_tls(cert, key)) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # an upstream where nobody listens
        config = (
            "listen: 127.0.0.1:0\n"
            f"providers: {{anthropic: {{upstream: 'http://127.0.0.1:{closed.getsockname()[1]}'}}}}\n"
            f"interception: {{ca_file: {ca_file}, addresses: {{{HOST}: '127.0.0.1:{server.port}'}}}}\n"
        )
        proxy = ProxyProcess(Home(tmp_path / "home"), config, "--authority", str(made.folder)).ready()
        context = ssl.create_default_context(cafile=str(made.root))
        for method, path, headers, body in PLACES.values():
            for route, host in (("intercepted", HOST), ("/openai", ""), ("/anthropic", ""), ("/nowhere", "")):
                with Client(proxy.port) as client:
                    shown = host or f"127.0.0.1:{proxy.port}"
                    if host:
                        client.send(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
                        assert b" 200 " in client.until(b"\r\n\r\n")
                        client.socket = context.wrap_socket(client.socket, server_hostname=host)
                    prefix = "" if host else route
                    lines = [f"{method} {prefix}{path} HTTP/1.1", f"Host: {shown}", *headers]
                    lines += [f"Content-Length: {len(body)}", "Connection: close", "", body]
                    client.send("\r\n".join(lines).encode())
                    answered = client.until_closed()
                    own = b"x-farebox-error" in answered
                    assert not (own and KEY.encode() in answered), (
                        f"our own error repeats the key: {answered!r}"
                    )
        for line in (
            f"CONNECT {KEY}.example:443 HTTP/1.1\r\nHost: {KEY}.example:443\r\n\r\n",
            f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\nProxy-Authorization: Basic {KEY}\r\n\r\n",
            f"GET http://{KEY}@example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
        ):
            with Client(proxy.port) as client:
                client.send(line.encode())
                client.socket.settimeout(15)
                client.until(b"\r\n\r\n")
        assert server.count > 10
        proxy.terminate()
        status, errors = proxy.ended()
    assert status == 0
    assert KEY not in errors
    files = files_below(tmp_path / "home")
    assert any("journal" in file.parts for file in files)
    for file in files:
        content = file.read_bytes()
        assert KEY.encode() not in content, f"the key is in {file}"
        assert KEY[3:].encode() not in content, f"part of the key is in {file}"


@pytest.mark.parametrize("code", ["invalid_api_key", "1210", "InvalidParameter.Inspection", "rate_limit"])
def test_a_providers_code_is_kept(code: str) -> None:
    assert shown_code(code) == code


@pytest.mark.parametrize("code", [KEY, "bad key: AIzaSyB-1", "x" * 5 + "1a2b3c4d5e6f7a8b", "a\nb"])
def test_a_code_that_could_be_a_key_is_not(code: str) -> None:
    assert shown_code(code) == "error"


def test_a_stolen_ledger_does_not_tell_which_of_a_million_keys_was_used() -> None:
    """S-59: a fingerprint can be tested against candidates by nobody who has not got the install's secret."""
    candidates = [b"sk-%07d" % number for number in range(1_000_000)]
    used = candidates[123_456]
    secret = b"s" * 32
    stolen = Fingerprints(secret).of(b"openai", used)
    for named in (b"", b"openai\0"):
        assert all(sha256(named + key).digest()[:8].hex() != stolen for key in candidates)
        assert all(blake2b(named + key).digest()[:8].hex() != stolen for key in candidates)
    guessed = Fingerprints(b"g" * 32)
    assert all(guessed.of(b"openai", key) != stolen for key in candidates[123_000:124_000])
    assert Fingerprints(secret).of(b"openai", used) == stolen, "with the secret it can be told"
