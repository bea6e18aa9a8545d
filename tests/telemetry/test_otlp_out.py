"""Calls of the record are sent as spans and metrics: once taken, retried while not, never lost in between."""

from __future__ import annotations

import gzip
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from calls import NOON, SECOND, TestLedger, done
from otlp_requests import AS_PROTOBUF, read

from farebox.clock import now_ns
from farebox.config.configuration import OtlpConfig
from farebox.home import Home
from farebox.ledger.calls import LedgerReader
from farebox.outbound.http_post import RequestFailedError, Response
from farebox.telemetry.otlp_in.protobuf_fields import fields
from farebox.telemetry.otlp_in.protobuf_request import read_protobuf
from farebox.telemetry.otlp_out import export
from farebox.telemetry.otlp_out.export import LOOK_EVERY_S, OtlpExport
from farebox.telemetry.otlp_out.exported import read_exported

ENDPOINT = "http://127.0.0.1:4318"


class Endpoint:
    """Takes requests, with the statuses it is told."""

    def __init__(self) -> None:
        self.statuses: list[int | None] = []
        self.taken: list[tuple[str, bytes]] = []

    def __call__(self, url: str, headers: dict[str, str], body: bytes) -> Response:
        status = self.statuses.pop(0) if self.statuses else 200
        if status is None:
            raise RequestFailedError("it cannot be reached")
        if status == 200:
            self.taken.append((url.removeprefix(ENDPOINT), gzip.decompress(body)))
        return Response(status, None, "")

    def spans(self) -> list[Any]:
        return [each for path, body in self.taken if path == "/v1/traces" for each in _spans(body)]


def _spans(body: bytes) -> list[Any]:
    return read_protobuf("traces", body).spans


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[TestLedger]:
    made = TestLedger(Home(tmp_path / "home"))
    yield made
    made.connection.close()


def exporter(ledger: TestLedger, endpoint: Endpoint, **config: Any) -> OtlpExport:
    """Return an export whose clock is a minute ahead: what is appended is settled."""
    return OtlpExport(
        ledger.home,
        OtlpConfig(endpoint=ENDPOINT, **config),
        LedgerReader(ledger.home),
        send=endpoint,
        clock=lambda: now_ns() + 60 * SECOND,
    )


def a_call(number: int, **more: Any) -> Any:
    more.setdefault("attribution", {"customer": "acme", "agent": "writer", "tag.team": "core"})
    return done(NOON + number * SECOND, response_id=f"chatcmpl-{number}", total_us=1_500_000, **more)


def test_a_new_endpoint_is_sent_what_comes_from_now_on(ledger: TestLedger) -> None:
    endpoint = Endpoint()
    ledger.append(a_call(1))
    out = exporter(ledger, endpoint)
    assert out.look() == LOOK_EVERY_S
    ledger.append(a_call(2), a_call(3))
    out.look()
    (one, two) = endpoint.spans()
    assert [one.attributes["gen_ai.response.id"], two.attributes["gen_ai.response.id"]] == [
        "chatcmpl-2",
        "chatcmpl-3",
    ]
    assert one.start_ns == NOON + 2 * SECOND
    assert one.end_ns - one.start_ns == 1_500_000_000
    assert one.scope == "farebox"
    out.look()
    assert len(endpoint.spans()) == 2


def test_a_restart_goes_on_where_the_endpoint_had_taken_it(ledger: TestLedger) -> None:
    endpoint = Endpoint()
    exporter(ledger, endpoint).look()
    ledger.append(a_call(1))
    exporter(ledger, endpoint).look()
    ledger.append(a_call(2))
    exporter(ledger, endpoint).look()
    assert len(endpoint.spans()) == 2
    found = read_exported(ledger.home)
    assert found is not None
    assert (found.sent, found.failing) == (2, None)


@pytest.mark.parametrize("status", [None, 429, 503])
def test_what_is_not_taken_is_sent_again(ledger: TestLedger, status: int | None) -> None:
    endpoint = Endpoint()
    out = exporter(ledger, endpoint)
    out.look()
    ledger.append(a_call(1))
    endpoint.statuses = [status, status]
    waits = [out.look(), out.look()]
    assert LOOK_EVERY_S < waits[0] < waits[1]
    found = read_exported(ledger.home)
    assert found is not None
    assert found.failing is not None
    assert not endpoint.taken
    assert out.look() == LOOK_EVERY_S
    assert len(endpoint.spans()) == 1
    assert read_exported(ledger.home).failing is None  # type: ignore[union-attr]


def test_what_is_refused_for_good_is_counted_and_passed_over(
    ledger: TestLedger, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint = Endpoint()
    out = exporter(ledger, endpoint, signals=("traces",))
    out.look()
    ledger.append(a_call(1))
    endpoint.statuses = [400]
    out.look()
    ledger.append(a_call(2))
    out.look()
    found = read_exported(ledger.home)
    assert found is not None
    assert (found.sent, found.refused) == (1, 1)
    assert "refused with status 400" in capfd.readouterr().err


def test_the_backlog_of_an_endpoint_is_bounded(ledger: TestLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "BACKLOG_MAX", 3)
    endpoint = Endpoint()
    exporter(ledger, endpoint).look()
    ledger.append(*[a_call(number) for number in range(10)])
    exporter(ledger, endpoint).look()
    found = read_exported(ledger.home)
    assert found is not None
    assert (found.sent, found.passed_over) == (3, 7)


def test_a_call_is_sent_once_its_witnesses_had_time_to_come(ledger: TestLedger) -> None:
    endpoint = Endpoint()
    out = OtlpExport(
        ledger.home, OtlpConfig(endpoint=ENDPOINT), LedgerReader(ledger.home), send=endpoint, clock=now_ns
    )
    out.look()
    ledger.append(a_call(1))
    out.look()
    assert not endpoint.taken


def test_metrics_are_cumulative_with_the_buckets_of_the_conventions(ledger: TestLedger) -> None:
    endpoint = Endpoint()
    out = exporter(ledger, endpoint)
    out.look()
    ledger.append(a_call(1), a_call(2), a_call(3, attribution={"customer": "other-inc"}))
    out.look()
    (body,) = [each for path, each in endpoint.taken if path == "/v1/metrics"]
    found = {each.name: each.points for each in read_protobuf("metrics", body).metrics}
    assert found == {
        "gen_ai.client.token.usage": 4,  # two customers, input and output
        "gen_ai.client.operation.duration": 2,
        "farebox.cost": 2,
    }


def test_metrics_alone_are_sent_again_where_they_were_not_taken(ledger: TestLedger) -> None:
    endpoint = Endpoint()
    out = exporter(ledger, endpoint)
    out.look()
    ledger.append(a_call(1))
    endpoint.statuses = [200, 503]
    out.look()
    out.look()
    assert [path for path, _ in endpoint.taken] == ["/v1/traces", "/v1/metrics"]


def test_our_own_spans_that_come_back_are_no_calls(ledger: TestLedger) -> None:
    endpoint = Endpoint()
    out = exporter(ledger, endpoint)
    out.look()
    ledger.append(a_call(1))
    out.look()
    (body,) = [each for path, each in endpoint.taken if path == "/v1/traces"]
    assert read(body, AS_PROTOBUF).counted.other_spans == 1
    assert list(fields(body, 0, len(body)))


def test_a_span_has_genai_names_the_cost_and_whose_it_is(ledger: TestLedger) -> None:
    endpoint = Endpoint()
    out = exporter(ledger, endpoint)
    out.look()
    ledger.append(a_call(1, status=429, completeness="none", billable=False, because="error_response"))
    ledger.append(a_call(2))
    out.look()
    failed, call = endpoint.spans()
    assert failed.is_error
    assert "gen_ai.usage.input_tokens" not in failed.attributes
    said = call.attributes
    assert said["gen_ai.operation.name"] == "chat"
    assert (said["gen_ai.provider.name"], said["gen_ai.request.model"]) == ("openai", "gpt-4o")
    assert (said["gen_ai.usage.input_tokens"], said["gen_ai.usage.output_tokens"]) == (10, 5)
    assert said["gen_ai.usage.cost"] > 0
    assert (said["farebox.customer"], said["farebox.tag.team"]) == ("acme", "core")


def test_it_is_posted_with_the_headers_that_the_configuration_names(
    ledger: TestLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[tuple[str, dict[str, str], bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.path, dict(self.headers), body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    from farebox.config.secret_reference import SecretReference

    monkeypatch.setenv("OTEL_AUTHORIZATION", "Bearer canary")
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    reference = SecretReference("env", "OTEL_AUTHORIZATION", ("farebox.yaml", 1, "authorization"))
    config = OtlpConfig(
        endpoint=f"http://127.0.0.1:{server.server_port}", headers=(("authorization", reference),)
    )
    out = OtlpExport(ledger.home, config, LedgerReader(ledger.home), clock=lambda: now_ns() + 60 * SECOND)
    out.look()
    ledger.append(a_call(1))
    out.look()
    server.shutdown()
    server.server_close()
    thread.join()
    assert [path for path, _, _ in got] == ["/v1/traces", "/v1/metrics"]
    headers = {name.lower(): value for name, value in got[0][1].items()}
    assert headers["authorization"] == "Bearer canary"
    assert headers["content-type"] == "application/x-protobuf"
    assert len(_spans(gzip.decompress(got[0][2]))) == 1
    state = (ledger.home.run / "otlp.json").read_bytes()
    assert b"canary" not in state


def test_a_call_of_a_length_that_no_clock_has_is_sent_like_any_other(ledger: TestLedger) -> None:
    endpoint = Endpoint()
    out = exporter(ledger, endpoint)
    out.look()
    ledger.append(
        done(NOON, response_id="long", total_us=2**63 - 1, first_byte_us=2**63 - 1),
        done(NOON + SECOND, response_id="much", input_tokens=2**36, output_tokens=0),
        a_call(3),
    )
    assert out.look() == LOOK_EVERY_S
    names = [each.attributes["gen_ai.response.id"] for each in endpoint.spans()]
    assert names == ["long", "much", "chatcmpl-3"]
    assert all(each.end_ns >= each.start_ns for each in endpoint.spans())


@pytest.mark.parametrize("error", [ValueError("a line break in a header"), RuntimeError("of anything")])
def test_no_error_ends_the_sending(
    ledger: TestLedger, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    endpoint = Endpoint()
    out = exporter(ledger, endpoint)
    out.look()
    ledger.append(a_call(1))

    def broken(path: str, body: bytes) -> bool:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(out, "_deliver", broken)
        assert out.look() > LOOK_EVERY_S
    found = read_exported(ledger.home)
    assert found is not None
    assert str(error) in (found.failing or "")
    out.look()
    assert len(endpoint.spans()) == 1
