"""Calls that come and go in one read take a short way: what is recorded must not tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from proxy_harness import Reply, Request, mock, serving

from farebox.journal import records
from farebox.wire.fast_path.whole_response import FastPath
from farebox.wire.meter import Meter

CHAT = "/openai/v1/chat/completions"
JSON = "Content-Type: application/json"


class Own(Meter):
    """Like the meter, but not it: nothing takes the short way."""


def chat(**extra: object) -> bytes:
    return json.dumps({"model": "gpt-4o", "messages": [], **extra}).encode()


def settled(
    meter: Any, body: bytes, answer: Any, status: int = 200, *, heads: str = "same"
) -> list[dict[str, Any]]:
    """Make three calls on one connection; return what was recorded but for times and identifiers."""
    serial = iter(range(100))

    def respond(request: Request) -> Reply:
        reply = mock.json_reply(answer, status=status)
        if heads == "other":
            reply.headers = (*reply.headers, (b"x-serial", b"%d" % next(serial)))
        return reply

    with serving(respond, meter=meter) as (_, proxy), proxy.connect() as client:
        for _ in range(3):
            got = client.post(CHAT, body, JSON, "Authorization: Bearer sk-1", "x-farebox-customer: acme")
            assert got.status == status
            assert json.loads(got.body) == answer
        dones = proxy.settled(3)
    found: list[dict[str, Any]] = []
    for intent, done in zip(proxy.journal.intents, dones, strict=True):
        assert intent.event_id == done.event_id
        assert intent.attribution == done.attribution
        assert done.occurred_at_ns == intent.occurred_at_ns <= done.ended_at_ns
        assert 0 < done.first_byte_us <= done.total_us
        known = {name: getattr(done, name) for name in done.__struct_fields__}
        for varies in ("event_id", "occurred_at_ns", "ended_at_ns", "first_byte_us", "total_us", "added_us"):
            del known[varies]
        known.pop("host")
        found.append(known)
    return found


@pytest.mark.parametrize("meter", [Meter, Own])
def test_how_many_tokens_the_request_allows_is_recorded(meter: Any) -> None:
    found = settled(meter, chat(max_tokens=77), mock.chat_answer("hello"))
    assert [each["max_tokens"] for each in found] == [77] * 3


@pytest.mark.parametrize(
    ("body", "answer", "status"),
    [
        (chat(), mock.chat_answer("hello"), 200),
        (chat(user="ann"), mock.chat_answer("hello"), 200),
        (chat(), {"no": "usage"}, 200),
        (chat(), {"error": {"code": "rate_limit_exceeded", "message": "slow down"}}, 429),
        (b"not json", mock.chat_answer("hello"), 200),
    ],
)
def test_the_short_way_records_what_the_meter_records(body: bytes, answer: Any, status: int) -> None:
    short = settled(Meter, body, answer, status)
    assert short == settled(Own, body, answer, status)
    assert short == settled(Meter, body, answer, status, heads="other")
    assert short[0] == short[1] == short[2]


@pytest.mark.parametrize("held", [None, records.Held(12, 15, 3, (2**62, 7))])
def test_a_record_put_together_from_parts_is_the_record(held: records.Held | None) -> None:
    origin: dict[str, Any] = {
        "event_id": bytes(range(16)), "source": "proxy:1", "occurred_at_ns": 1_763_000_000_000_000_001,
        "provider": "openai", "surface": "openai.chat", "path": "/v1/chat/completions",
        "attribution": {"user": "ann"}, "attribution_from": {"user": "body:user"}, "attempt": 2,
    }  # fmt: skip
    intent = records.Intent(**origin, held=held)
    done = records.Done(**origin, ended_at_ns=5, outcome="completed", status=200, request_bytes=7, held=held)
    before, between, after = records.spelled(intent)
    at = origin["occurred_at_ns"].to_bytes(8, "big")
    whose = records.encode(intent.attribution) + records.encode(intent.attribution_from)
    spelled = b"".join((origin["event_id"], before, at, between, whose, after))
    rest = tuple(getattr(done, name) for name in records.DONE_FIELDS)
    assert records.intent_record(spelled, held) == records.encode(intent)
    assert records.done_record(spelled, rest) == records.encode(done)


@pytest.mark.parametrize("step", ["request", "response"])
def test_a_failure_on_the_short_way_touches_no_traffic(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("no")

    whole = settled(Meter, chat(), mock.chat_answer("hello"))
    monkeypatch.setattr(FastPath, step, broken)
    assert settled(Meter, chat(), mock.chat_answer("hello")) == whole
