"""The provider's id of a request is recorded, whichever way its response is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from proxy_harness import Reply, Request, mock, serving
from test_http2 import BODY, PATH

from farebox.wire.meter import Meter

KEY = "sk-test-0123456789abcdef0123"


class Own(Meter):
    """Like the meter, but not it: nothing takes the short way."""


def request_ids(
    heads: list[tuple[tuple[bytes, bytes], ...]], answer: Any, meter: Any = Meter
) -> list[str | None]:
    """Return what is recorded for calls on one connection whose responses have these further headers."""
    left = iter(heads)

    def respond(request: Request) -> Reply:
        if b"stream" in request.body:
            return mock.sse_reply(mock.chat_events(3), headers=next(left))
        return mock.json_reply(answer, headers=next(left))

    with serving(respond, meter=meter) as (_, proxy), proxy.connect() as client:
        body = BODY if answer is not None else json.dumps({"model": "gpt-4o", "stream": True}).encode()
        for _ in heads:
            assert client.post(PATH, body, "Content-Type: application/json", f"Authorization: Bearer {KEY}")
        return [done.request_id for done in proxy.settled(len(heads))]


ANSWER = {"id": "chatcmpl-1", "model": "gpt-4o", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
REQ_1, REQ_2 = ((b"x-request-id", b"req_1"),), ((b"X-Request-Id", b"req_2"),)


@pytest.mark.parametrize("meter", [Meter, Own], ids=["everyday", "by a meter"])
def test_each_calls_own_request_id_is_recorded(meter: Any) -> None:
    heads = [REQ_1, REQ_1, REQ_2, (), (), REQ_1]
    assert request_ids(heads, ANSWER, meter) == ["req_1", "req_1", "req_2", None, None, "req_1"]


def test_a_streams_request_id_is_recorded() -> None:
    assert request_ids([REQ_1, (), REQ_2], None) == ["req_1", None, "req_2"]


def test_a_request_id_that_is_the_responses_id_is_not_said_twice() -> None:
    same = ((b"x-request-id", b"chatcmpl-1"),)
    assert request_ids([same], ANSWER) == [None]
    nameless = {name: value for name, value in ANSWER.items() if name != "id"}
    assert request_ids([REQ_1], nameless, Own) == [None], "it serves as the response's id"


def test_a_key_in_the_place_of_a_request_id_is_not_recorded() -> None:
    (said,) = request_ids([((b"x-request-id", KEY.encode()),)], ANSWER)
    assert said is not None
    assert KEY not in said
