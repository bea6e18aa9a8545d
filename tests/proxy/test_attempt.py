"""One lifecycle: a call is written down alike, whatever it came over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from h2.events import RequestReceived, StreamEnded
from proxy_harness import Reply, Request, mock, serving
from test_http2 import BODY, PATH, End, authority, proxied

from farebox.clock import now_ns, uuid7
from farebox.journal import records
from farebox.journal.records import Done, Intent
from farebox.recording.attempt import NOT_SENT, Attempt
from farebox.recording.attribution_merge import NOBODY
from farebox.recording.described_request import DescribedRequest
from farebox.recording.logical_calls import LogicalCalls
from farebox.wire.usage.estimate_sample import Unmeasured

MEASURED = {"id": "chatcmpl-1", "model": "gpt-4o", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
SILENT = {"id": "chatcmpl-1", "model": "gpt-4o", "choices": [{"message": {"content": "Lagos."}}]}
HEADERS = (("content-type", "application/json"), ("x-stainless-retry-count", "1"), ("x-farebox-user", "ada"))
DIFFERENT = ("event_id", "occurred_at_ns", "ended_at_ns", "first_byte_us", "total_us", "added_us", "host")
"""What two records of the same call cannot have in common."""


class Estimator:
    """Stands in the place of the estimator and keeps what is handed over."""

    def __init__(self) -> None:
        self.offered: list[Unmeasured] = []

    def offer(self, unmeasured: Unmeasured) -> None:
        self.offered.append(unmeasured)


class BrokenMeter:
    """A meter that cannot be made."""

    def __init__(self, *_: Any) -> None:
        raise ZeroDivisionError


def over_http1(response: bytes, **seams: Any) -> tuple[Intent, Done, Estimator]:
    def respond(_: Request) -> Reply:
        return mock.json_reply(json.loads(response), headers=((b"x-request-id", b"req_1"),))

    estimator = Estimator()
    with serving(respond, **seams) as (_, proxy), proxy.connect() as client:
        proxy.proxy.recorder.estimates = estimator  # type: ignore[assignment]
        assert client.post(PATH, BODY, *(f"{name}: {value}" for name, value in HEADERS)).status == 200
        (done,) = proxy.settled(1)
        return proxy.journal.intents[0], done, estimator


def over_http2(response: bytes, **seams: Any) -> tuple[Intent, Done, Estimator]:
    def respond(server: End) -> None:
        stream_id = server.until(RequestReceived).stream_id
        server.until(StreamEnded, stream_id)
        head = [(":status", "200"), ("content-type", "application/json"), ("x-request-id", "req_1")]
        server.h2.send_headers(stream_id, head)
        server.send(stream_id, response)
        while True:
            server.read()

    estimator = Estimator()
    with proxied(respond, **seams) as (client, proxy):
        proxy.proxy.recorder.estimates = estimator  # type: ignore[assignment]
        client.send(client.ask(authority(proxy), *HEADERS), BODY)
        client.until(StreamEnded)
        (done,) = proxy.settled(1)
        return proxy.journal.intents[0], done, estimator


def common(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__ if name not in DIFFERENT}


@pytest.mark.parametrize("seams", [{}, {"meter": BrokenMeter}])
@pytest.mark.parametrize("body", [MEASURED, SILENT])
def test_the_same_call_is_recorded_alike_over_http_1_1_and_http_2(
    body: dict[str, Any], seams: dict[str, Any]
) -> None:
    response = json.dumps(body).encode()
    first, second = over_http1(response, **seams), over_http2(response, **seams)
    assert common(first[0]) == common(second[0])
    assert common(first[1]) == common(second[1])
    assert first[1].request_id == "req_1"
    if seams:
        assert second[1].extraction.reason == "meter_failed:ZeroDivisionError"


def test_a_call_whose_usage_nobody_stated_is_handed_to_the_estimator_over_http_2_too() -> None:
    response = json.dumps(SILENT).encode()
    (first,), (second,) = over_http1(response)[2].offered, over_http2(response)[2].offered
    assert (first.lacks, first.request, first.response) == (second.lacks, second.request, second.response)


def test_a_call_whose_usage_is_stated_is_not_estimated() -> None:
    response = json.dumps(MEASURED).encode()
    assert over_http1(response)[2].offered == over_http2(response)[2].offered == []


class Kept:
    """A recorder that keeps what is written down."""

    source, estimates = "proxy:test", None

    def __init__(self) -> None:
        self.calls = LogicalCalls()
        self.ends: list[Done] = []

    def append(self, record_type: int, payload: bytes) -> int:
        if record_type == records.DONE:
            self.ends.append(records.decode_done(payload))
        return 0


@pytest.mark.parametrize(
    "event_id", [b"", uuid7(now_ns())], ids=["its own", "one that came with the request"]
)
def test_a_record_says_that_somebody_else_writes_the_call_down_by_its_id(event_id: bytes) -> None:
    intent = Intent(event_id=b"", source="proxy:test", occurred_at_ns=0, provider="p", surface="p.chat")
    recorder = Kept()
    attempt = Attempt(recorder, DescribedRequest(intent, "", NOBODY), event_id)
    attempt.done(NOBODY, "completed", None, NOT_SENT)
    (done,) = recorder.ends
    assert (done.passed_on, done.event_id == event_id) == (bool(event_id),) * 2
