"""The collector over HTTP: who may send, what each request is told, what is written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from served import HOST, VISITORS, Answer, Site, day_of_calls
from test_roles import Published, everybody

from farebox.access.rate_limit import RequestRates
from farebox.access.roles import ALLOWED, allowed
from farebox.access.tokens import PublishedTokens
from farebox.catalog import load
from farebox.config import Config
from farebox.home import Home
from farebox.ingest.figures import read_figures
from farebox.ingest.intake import Intake
from farebox.ingest.limits import IngestLimits
from farebox.ingest.openapi import openapi_document
from farebox.ledger import catch_up
from farebox.ledger.calls import LedgerReader
from farebox.server.assets import Assets
from farebox.server.collector.door import DOCUMENT, EVENTS, OTLP
from farebox.snapshot import Snapshot

JSON = {"content-type": "application/json"}


def event(**fields: Any) -> dict[str, Any]:
    base = {
        "id": "a-1",
        "source": "shop",
        "provider": "openai",
        "model": "gpt-4o",
        "usage": {"output_text": 5},
    }
    return {**base, **fields}


class Collecting:
    """A site with a collector."""

    def __init__(self, home: Home, web: Path, **visitors: Any) -> None:
        self.home = home
        self.published = Published()
        self.intake = Intake(home, load, LedgerReader(home), IngestLimits(body_bytes_max=4096))
        who = msgspec.structs.replace(VISITORS, tokens=PublishedTokens(self.published), **visitors)
        self.site = Site(home, day_of_calls(), Assets(web), visitors=who, intake=self.intake)
        self.headers = {**JSON, "authorization": f"Bearer {self.published.issue('ingest')}"}

    def post(self, what: Any, headers: dict[str, str] | None = None, method: str = "POST") -> Answer:
        body = what if isinstance(what, bytes) else msgspec.json.encode(what)
        return self.site.ask(EVENTS, self.headers if headers is None else headers, method, body)

    def recorded(self) -> int:
        catch_up(self.home, Config())
        return len(LedgerReader(self.home).newest(100))

    def close(self) -> None:
        self.intake.close()
        self.site.ledger.close()


@pytest.fixture
def collecting(home: Home, web: Path) -> Iterator[Collecting]:
    made = Collecting(home, web)
    yield made
    made.close()


def test_a_list_gets_202_and_a_word_on_each_event(collecting: Collecting) -> None:
    answer = collecting.post([event(), event(), event(model="other"), {"id": "b-1"}])
    assert answer.status == 202
    told = answer.json()
    assert [each["status"] for each in told["items"]] == ["accepted", "duplicate", "conflict", "invalid"]
    assert [told[name] for name in ("accepted", "duplicate", "conflict", "invalid")] == [1, 1, 1, 1]
    assert told["items"][3] == {
        "id": "b-1",
        "status": "invalid",
        "field": "provider",
        "reason": "a call has a provider",
    }
    assert told["limits"]["body_bytes_max"] == 4096
    assert told["limits"]["age_s_max"] > 0


def test_one_event_by_itself_gets_the_status_that_says_it(collecting: Collecting) -> None:
    assert [collecting.post(each).status for each in (event(), event(), event(model="x"), {"id": "b"})] == [
        202,
        200,
        409,
        422,
    ]


def test_each_role_may_send_exactly_as_the_table_says_and_others_write_nothing(
    collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farebox.access.rate_limit.WRONG_PER_MINUTE", 10_000)
    let_in = 0
    for number, (name, role, headers) in enumerate(everybody(collecting.site, collecting.published)):
        answer = collecting.post(event(id=f"{number}"), {**JSON, **headers})
        may = role in allowed("collector", EVENTS)
        assert answer.status == (202 if may else 401 if role == "nobody" else 403), name
        let_in += may
    assert let_in == 4, "the owner, the browser's session, and two of the tokens"
    assert collecting.recorded() == let_in


def test_the_table_has_every_route_of_the_collector(collecting: Collecting) -> None:
    assert set(ALLOWED["collector"]) == {EVENTS, DOCUMENT, *OTLP}
    reader = {"authorization": f"Bearer {collecting.published.issue('read')}"}
    assert collecting.site.ask(DOCUMENT, reader).status == 403
    answer = collecting.site.ask(DOCUMENT, collecting.headers)
    assert (answer.status, answer.body) == (200, openapi_document())


def test_another_sites_page_sends_nothing(collecting: Collecting) -> None:
    foreign = {**collecting.headers, "origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert collecting.post(event(), foreign).status == 403
    assert collecting.recorded() == 0


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD"])
def test_other_methods_are_refused(collecting: Collecting, method: str) -> None:
    answer = collecting.post(event(), method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")


def test_a_body_as_large_as_the_limit_and_no_larger(collecting: Collecting) -> None:
    fits = b"[" + b" " * 4094 + b"]"
    assert collecting.post(fits).status == 202
    answer = collecting.post(fits + b" ")
    assert answer.status == 413
    assert answer.json()["details"]["body_bytes_max"] == 4096


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", JSON, 400, "body_malformed"),
        (b"{}", {"content-type": "text/html"}, 415, "content_type_unknown"),
        (b"{}", {**JSON, "content-encoding": "lzma"}, 415, "encoding_unknown"),
        (b"{}", {**JSON, "content-encoding": "gzip"}, 400, "body_malformed"),
    ],
)
def test_a_refusal_says_why_and_the_limits(
    collecting: Collecting, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = collecting.post(body, {"authorization": collecting.headers["authorization"], **headers})
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.json()["details"]["items_max"] == IngestLimits().items_max


def test_too_many_requests_are_told_when_to_come_again(home: Home, web: Path) -> None:
    collecting = Collecting(home, web, rates=RequestRates(6, 0))
    assert [collecting.post(event()).status for _ in range(2)] == [202, 429]
    collecting.close()


def test_a_disk_that_refuses_is_a_503_that_says_when_to_come_again(
    collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        from farebox.errors import JournalError

        raise JournalError("no space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("farebox.journal.writer.JournalWriter", full)
        answer = collecting.post(event())
    assert (answer.status, answer.json()["code"]) == (503, "journal_unavailable")
    assert answer.headers["retry-after"]
    assert collecting.post(event()).status == 202


def test_what_was_accepted_and_refused_is_counted_for_each_token(collecting: Collecting) -> None:
    collecting.post([event(), event(), {"id": "b-1"}])
    collecting.site.ask(EVENTS, {**JSON, "authorization": f"Bearer {collecting.site.token}"}, "POST", b"[]")
    collecting.close()
    figures = read_figures(collecting.home)
    assert figures is not None
    assert set(figures.senders) == {"id-ingest", "owner"}
    mine = figures.senders["id-ingest"]
    assert (mine.accepted, mine.duplicate, mine.conflict, mine.invalid) == (1, 1, 0, 1)


def test_a_sender_without_a_token_is_told_how_to_get_one(collecting: Collecting) -> None:
    answer = collecting.post(event(), JSON)
    assert answer.status == 401
    assert answer.json()["message"] == "Events need a token: farebox tokens create NAME --scope ingest"


def socket_told(collecting: Collecting, *steps: Any) -> list[dict[str, Any]]:
    """Open a WebSocket, send messages (a callable is called in between), return what was sent back."""
    scope: dict[str, Any] = {
        "type": "websocket",
        "path": EVENTS,
        "method": "GET",
        "query_string": b"",
        "headers": [(b"host", HOST.encode())]
        + [(name.encode(), value.encode()) for name, value in collecting.headers.items()],
        "client": ("127.0.0.1", 50000),
        "state": {},
    }
    coming = iter(steps)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not sent:
            return {"type": "websocket.connect"}
        for step in coming:
            if callable(step):
                step()
                continue
            return {"type": "websocket.receive", "bytes": msgspec.json.encode(step)}
        return {"type": "websocket.disconnect"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    asyncio.run(collecting.site.app(scope, receive, send))
    return sent


def test_a_socket_whose_token_is_revoked_takes_nothing_more(collecting: Collecting) -> None:
    def revoke() -> None:
        collecting.published.current = Snapshot()

    told = socket_told(collecting, event(), revoke, event(id="a-2"))
    assert [each["type"] for each in told] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert told[2]["code"] == 1008
    assert collecting.recorded() == 1


def test_each_message_of_a_socket_counts_as_a_request(home: Home, web: Path) -> None:
    collecting = Collecting(home, web, rates=RequestRates(12, 0))
    told = socket_told(collecting, event(), event(id="a-2"))
    answers = [msgspec.json.decode(each["text"]) for each in told if "text" in each]
    assert [each.get("code", "accepted") for each in answers] == ["accepted", "rate_limited"]
    assert answers[1]["details"]["retry_after_s"] >= 1
    collecting.close()


def test_a_socket_without_a_token_is_refused_before_it_is_one(collecting: Collecting) -> None:
    collecting.headers = {}
    told = socket_told(collecting, event())
    assert told[0]["type"] == "websocket.http.response.start"
    assert told[0]["status"] == 401
    assert collecting.recorded() == 0
