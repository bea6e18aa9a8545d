"""What is sent to a collector, and what each of its responses means."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from collectors import CollectorServer
from proxy_harness import certificate, server_tls

from farebox.errors import UsageError
from farebox.sdk.shipping.collector_client import (
    BatchRefusedError,
    CollectorClient,
    CollectorError,
    checked_url,
)

EVENT = b'{"id":"%d","source":"sdk:a:b","provider":"openai","model":"gpt-4o","usage":{"output_text":1}}'


@pytest.fixture
def server() -> Iterator[CollectorServer]:
    with CollectorServer(token="fbi_good") as made:
        yield made


@pytest.fixture
def client(server: CollectorServer) -> Iterator[CollectorClient]:
    made = CollectorClient(server.url, "fbi_good")
    yield made
    made.close()


def test_a_batch_is_compressed_lines_over_one_kept_connection(
    server: CollectorServer, client: CollectorClient
) -> None:
    for start in (0, 100):
        verdicts = client.send([EVENT % number for number in range(start, start + 100)])
        assert [each.status for each in verdicts] == ["accepted"] * 100
    path, headers, body = server.requests[0]
    assert path == "/v1/events" and body.count(b"\n") == 99
    assert headers["content-type"] == "application/x-ndjson" and headers["content-encoding"] == "gzip"
    assert int(headers["content-length"]) < len(gzip.compress(body, 1)) * 1.2 < len(body) / 5
    assert client.send([EVENT % 1])[0].status == "duplicate"
    assert "content-encoding" not in server.requests[-1][1]


def test_a_connection_that_the_collector_closed_meanwhile_is_made_again(
    server: CollectorServer, client: CollectorClient
) -> None:
    client.send([EVENT % 1])
    client._connection.sock.shutdown(2)  # type: ignore[union-attr]
    assert client.send([EVENT % 1])[0].status == "duplicate"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "farebox tokens create sdk --scope ingest"),
        (404, "is no Farebox collector: status 404 for /v1/events; start one there with: farebox up"),
        (301, "is no Farebox collector"),
        (500, "cannot take events now: status 500: not now"),
        (503, "cannot take events now"),
    ],
)
def test_a_response_that_takes_nothing_says_what_to_do(
    server: CollectorServer, client: CollectorClient, status: int, words: str
) -> None:
    server.status = status
    with pytest.raises(CollectorError, match=words) as raised:
        client.send([EVENT % 1])
    assert not isinstance(raised.value, BatchRefusedError)


def test_a_wrong_token_says_what_to_type_and_is_not_shown(server: CollectorServer) -> None:
    wrong = CollectorClient(server.url, "fbi_wrong")
    with pytest.raises(CollectorError, match="does not take this token") as raised:
        wrong.send([EVENT % 1])
    assert raised.value.code == "collector_token" and "fbi_wrong" not in str(raised.value)
    wrong.close()


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_body_that_is_refused_whole_is_told_apart(
    server: CollectorServer, client: CollectorClient, status: int
) -> None:
    server.status = status
    with pytest.raises(BatchRefusedError):
        client.send([EVENT % 1])


def test_when_to_come_again_is_believed(server: CollectorServer, client: CollectorClient) -> None:
    server.status, server.headers = 429, {"retry-after": "17"}
    with pytest.raises(CollectorError) as raised:
        client.send([EVENT % 1])
    assert raised.value.retry_after_s == 17


@pytest.mark.parametrize("after", ["9" * 400, "99999999"])
def test_no_collector_puts_events_off_for_ever(
    server: CollectorServer, client: CollectorClient, after: str
) -> None:
    """A wait that no clock can count would end the thread that sends."""
    server.status, server.headers = 503, {"retry-after": after}
    with pytest.raises(CollectorError) as raised:
        client.send([EVENT % 1])
    assert raised.value.retry_after_s == 3600
    server.headers = {"retry-after": "\u00b2"}
    with pytest.raises(CollectorError) as raised:
        client.send([EVENT % 1])
    assert raised.value.retry_after_s == 0


def test_a_verdict_about_another_event_acknowledges_nothing(
    server: CollectorServer, client: CollectorClient
) -> None:
    events = [EVENT % 1, EVENT % 2]
    for garble in (lambda items: items[::-1], lambda items: [{"status": "accepted"}] * 2):
        server.garble = garble
        with pytest.raises(CollectorError, match="does not respond as a Farebox collector does"):
            client.send(events)
    server.garble = lambda items: items
    assert [each.status for each in client.send(events)] == ["duplicate", "duplicate"]


def test_what_a_collector_says_is_repeated_without_a_token_and_on_one_line(
    server: CollectorServer, client: CollectorClient
) -> None:
    token = "fbx_ingest_" + "a1B2" * 8
    server.status, server.message = 503, f"you sent\n\x1b[31m\x07{token}"
    with pytest.raises(CollectorError) as raised:
        client.send([EVENT % 1])
    assert str(raised.value).endswith("status 503: you sent [31m [key]")


def test_a_refusal_in_another_character_set_still_says_what_to_do(
    server: CollectorServer, client: CollectorClient
) -> None:
    server.status, server.message = 403, "accès refusé"
    with pytest.raises(CollectorError, match="farebox tokens create sdk --scope ingest"):
        client.send([EVENT % 1])
    server.status = 413
    with pytest.raises(BatchRefusedError):
        client.send([EVENT % 1])


def test_something_else_that_responds_with_success_is_no_collector(
    server: CollectorServer, client: CollectorClient
) -> None:
    server.status = 204
    with pytest.raises(CollectorError, match="does not respond as a Farebox collector does"):
        client.send([EVENT % 1])


def test_a_collector_that_does_not_respond_is_not_waited_for_for_ever(
    server: CollectorServer, client: CollectorClient
) -> None:
    server.hangs.clear()
    client.response_s = 0.2
    began = time.monotonic()
    with pytest.raises(CollectorError, match="cannot be reached: timed out"):
        client.send([EVENT % 1])
    assert time.monotonic() - began < 5


def test_nobody_listening_is_said_so() -> None:
    with CollectorServer() as gone:
        url = gone.url
    with pytest.raises(CollectorError, match="cannot be reached: Connection refused"):
        CollectorClient(url, "").send([EVENT % 1])


@pytest.mark.parametrize(
    "url",
    ["http://collector.example", "http://10.1.2.3:4141", "http://127.0.0.1.example", "http://0.0.0.0:4141"],
)
def test_a_token_never_travels_in_the_clear(url: str) -> None:
    with pytest.raises(UsageError, match="the token would travel in the clear; use https://"):
        checked_url(url)


@pytest.mark.parametrize(
    "url", ["", "collector.example", "ftp://a.example", "https://", "https://u:p@a.example", "https://a:b/"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="collector "):
        checked_url(url)


@pytest.mark.parametrize(
    "url", ["https://u:hunter2@a.example", "https://a.example?token=hunter2", "https://a.example#hunter2"]
)
def test_a_secret_in_an_address_is_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        checked_url(url)
    assert "hunter2" not in str(raised.value) and "FAREBOX_TOKEN" in str(raised.value)


@pytest.mark.parametrize(
    ("url", "spelling"),
    [
        ("https://a.example/", "https://a.example"),
        (" https://a.example:8443/farebox/ ", "https://a.example:8443/farebox"),
        ("http://localhost:4141", "http://localhost:4141"),
        ("http://127.0.0.1:4141", "http://127.0.0.1:4141"),
        ("http://[::1]:4141/", "http://[::1]:4141"),
    ],
)
def test_an_address_has_one_spelling(url: str, spelling: str) -> None:
    assert checked_url(url) == spelling


def test_a_collector_is_reached_over_tls_that_somebody_vouches_for_and_over_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, cert, key = certificate(tmp_path, "127.0.0.1")
    with CollectorServer(token="fbi_good", tls=server_tls(cert, key)) as server:
        stranger = CollectorClient(server.url, "fbi_good")
        with pytest.raises(CollectorError, match="CERTIFICATE_VERIFY_FAILED"):
            stranger.send([EVENT % 1])
        assert not server.requests, "the token was not sent"
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        client = CollectorClient(server.url, "fbi_good")
        assert client.send([EVENT % 1])[0].status == "accepted"
        client.close()


def test_a_child_gives_up_an_inherited_connection_and_makes_one_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, cert, key = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    for tls in (None, server_tls(cert, key)):
        with CollectorServer(tls=tls) as server:
            client = CollectorClient(server.url, "")
            client.send([EVENT % 1])
            parents = client._connection
            assert parents is not None and parents.sock is not None
            client.leave_to_parent()
            assert parents.sock.fileno() == -1
            assert client.send([EVENT % 1])[0].status == "duplicate"
            client.close()
