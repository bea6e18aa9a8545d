"""OTLP over HTTP on the server's port: who may send, what they are told, what is recorded and shown."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from otlp_requests import GPT, PROMPT, as_json, as_json_logs, as_protobuf, emissions, span
from served import VISITORS, Answer, Site, day_of_calls
from test_roles import Published

from farebox.access.tokens import PublishedTokens
from farebox.catalog import load
from farebox.config import Config
from farebox.home import Home
from farebox.ingest.figures import read_figures
from farebox.ingest.intake import Intake
from farebox.ledger import catch_up
from farebox.ledger.calls import LedgerReader
from farebox.server.api.coverage.coverage import coverage, warnings
from farebox.server.assets import Assets

PROTOBUF, JSON = "application/x-protobuf", "application/json"


class Receiving:
    """A site that takes OTLP in."""

    def __init__(self, home: Home, web: Path) -> None:
        self.home = home
        self.published = Published()
        self.intake = Intake(home, load, LedgerReader(home))
        who = msgspec.structs.replace(VISITORS, tokens=PublishedTokens(self.published))
        self.site = Site(home, day_of_calls(), Assets(web), visitors=who, intake=self.intake)
        self.token = self.published.issue("ingest")

    def post(
        self,
        body: bytes,
        kind: str = PROTOBUF,
        path: str = "/v1/traces",
        token: str | None = None,
        **more: str,
    ) -> Answer:
        headers = {"content-type": kind, "authorization": f"Bearer {self.token if token is None else token}"}
        return self.site.ask(path, {**headers, **more}, "POST", body)

    def recorded(self) -> list[Any]:
        catch_up(self.home, Config())
        return list(LedgerReader(self.home).newest(1000))

    def counted(self) -> dict[str, int]:
        self.intake.close()
        figures = read_figures(self.home)
        return {} if figures is None else figures.otlp


@pytest.fixture
def receiving(home: Home, web: Path) -> Iterator[Receiving]:
    made = Receiving(home, web)
    yield made
    made.intake.close()
    made.site.ledger.close()


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
def test_whoever_may_send_events_may_send_telemetry_and_nobody_else(receiving: Receiving, path: str) -> None:
    assert receiving.post(b"", path=path).status == 200
    for scope in ("read", "client", "portal"):
        assert receiving.post(b"", path=path, token=receiving.published.issue(scope)).status == 403
    assert receiving.post(b"", path=path, token="unknown").status == 401
    assert receiving.site.ask(path, {"authorization": f"Bearer {receiving.token}"}).status == 405


def test_a_whole_success_is_an_empty_message_in_the_senders_encoding(receiving: Receiving) -> None:
    answer = receiving.post(as_protobuf(span("a")))
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"", PROTOBUF)
    answer = receiving.post(as_json(span("b")), JSON)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"{}", JSON)
    assert len(receiving.recorded()) == 2


def test_malformed_spans_are_a_partial_success_and_the_others_are_recorded(receiving: Receiving) -> None:
    spans = [span("a"), span("b", trace_id="00" * 16), span("c", start_ns=10**9, end_ns=2 * 10**9)]
    answer = receiving.post(as_json(*spans), JSON)
    assert answer.status == 200
    told = answer.json()["partialSuccess"]
    assert told["rejectedSpans"] == "2"
    assert "trace id" in told["errorMessage"]
    assert "s ago" in told["errorMessage"], "older than a collector takes"
    answer = receiving.post(as_protobuf(*spans))
    assert answer.body[2:4] == b"\x08\x02", "rejected_spans = 2, in ExportTracePartialSuccess"
    assert len(receiving.recorded()) == 1


def test_a_body_that_is_no_request_is_a_status_in_the_senders_encoding(receiving: Receiving) -> None:
    answer = receiving.post(b"{]", JSON)
    assert (answer.status, answer.json()["code"]) == (400, 3)
    answer = receiving.post(b"\x0a\xff")
    assert (answer.status, answer.body[:2], answer.headers["content-type"]) == (400, b"\x08\x03", PROTOBUF)
    assert receiving.post(b"", "application/grpc").status == 415


def test_packed_telemetry_sent_twice_is_recorded_once(receiving: Receiving) -> None:
    body = gzip.compress(as_protobuf(*emissions()))
    for _ in range(2):
        assert receiving.post(body, **{"content-encoding": "gzip"}).body == b""
    first = len(receiving.recorded())
    assert receiving.post(as_json(*emissions("pydantic")), JSON).status == 200
    assert len(receiving.recorded()) == first


def test_no_prompt_is_anywhere_in_the_home(receiving: Receiving) -> None:
    body = as_protobuf(*emissions())
    assert PROMPT.encode() in body
    receiving.post(body)
    receiving.post(
        as_json_logs(
            {"event": "gen_ai.client.inference.operation.details", "attributes": {**GPT, "p": PROMPT}}
        ),
        JSON,
        "/v1/logs",
    )
    assert receiving.recorded()
    files = [file for file in receiving.home.path.rglob("*") if file.is_file()]
    assert files
    assert all(PROMPT.encode() not in file.read_bytes() for file in files)


def test_what_is_no_call_is_named_in_the_counts(receiving: Receiving) -> None:
    quiet = {name: value for name, value in GPT.items() if "usage" not in name}
    receiving.post(as_protobuf(span("a"), span("b", attributes=quiet), span("c", attributes={})))
    metrics = (
        b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{}]}}]}]}]}'
    )
    receiving.post(metrics, JSON, "/v1/metrics")
    assert receiving.counted() == {"calls": 1, "calls_without_usage": 1, "other_spans": 1, "metric_points": 1}


def test_a_total_of_sampled_traces_is_a_lower_bound(receiving: Receiving) -> None:
    receiving.post(as_protobuf(span("a", trace_state="ot=th:c"), span("b", trace_state="ot=th:c")))
    receiving.post(as_protobuf(span("a", trace_state="ot=th:c"), span("b", trace_state="ot=th:c")))
    assert len(receiving.recorded()) == 2
    found = coverage(receiving.home, LedgerReader(receiving.home))
    assert not found.complete
    assert found.missing.sampled_calls == 6
    assert found.missing.lost_records == 0
    assert "about 6 calls left out by samplers of traces" in warnings(found)


def test_ten_thousand_spans_in_one_request_are_recorded(receiving: Receiving) -> None:
    spans = [span(f"s{number}", f"t{number}") for number in range(10_000)]
    assert receiving.post(gzip.compress(as_protobuf(*spans)), **{"content-encoding": "gzip"}).status == 200
    receiving.recorded()
    assert LedgerReader(receiving.home).last_seq() == 10_000
