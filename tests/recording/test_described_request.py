"""What records say of requests that are alike, worked out once and shared by threads."""

from __future__ import annotations

from typing import Any

import pytest

from farebox.clock import now_ns, uuid7
from farebox.journal import records
from farebox.journal.records import Intent
from farebox.recording import described_request
from farebox.recording.attribution_merge import NOBODY, Attribution
from farebox.recording.described_request import DescribedRequest

ACME: Attribution = ({"customer": "acme"}, {"customer": "body:user"})
UMBRELLA: Attribution = (
    {"customer": "umbrella", "tag.team": "é"},
    {"customer": "body:user", "tag.team": "x"},
)


def described(**named: Any) -> DescribedRequest:
    intent = Intent(
        event_id=b"",
        occurred_at_ns=0,
        source="sdk:test:app",
        witness="sdk",
        provider="openai",
        surface="openai.chat",
        path="/v1/chat/completions",
        host="api.openai.com",
        key_fingerprint="0123456789abcdef",
        **named,
    )
    return DescribedRequest(intent, "", NOBODY)


def read(origin: bytes) -> Intent:
    return records.decode_intent(records.intent_record(origin))


@pytest.mark.parametrize("attribution", [NOBODY, ACME, UMBRELLA])
@pytest.mark.parametrize("attempt", [0, 3, 300])
def test_an_origin_reads_back_as_the_intent_it_was_made_of(attribution: Attribution, attempt: int) -> None:
    event_id, moment = uuid7(), now_ns()
    request = described(attempt=attempt)
    found = read(request.origin(event_id, moment, attribution))
    assert (found.event_id, found.occurred_at_ns, found.attempt) == (event_id, moment, attempt)
    assert (found.attribution, found.attribution_from) == attribution
    assert (found.source, found.witness, found.provider) == ("sdk:test:app", "sdk", "openai")
    assert (found.surface, found.method, found.path) == ("openai.chat", "POST", "/v1/chat/completions")
    assert (found.host, found.key_fingerprint) == ("api.openai.com", "0123456789abcdef")


def test_threads_that_say_different_things_in_the_same_moment_are_recorded_as_each_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request, encode = described(), records.encode
    others: list[bytes] = []

    def interrupted(value: Any) -> bytes:
        """Stand for the moment at which another thread goes on, with the same request."""
        if not others:
            others.append(b"")
            others[0] = request.origin(uuid7(), now_ns(), UMBRELLA)
        return encode(value)

    monkeypatch.setattr(described_request, "encode", interrupted)
    first = request.origin(uuid7(), now_ns(), ACME)
    assert read(first).attribution == ACME[0]
    assert read(others[0]).attribution == UMBRELLA[0]
    assert read(request.origin(uuid7(), now_ns(), ACME)).attribution == ACME[0]


def test_what_is_said_of_one_request_is_not_said_of_the_same_one_in_other_surroundings() -> None:
    request = described()
    below: Attribution = ({"app": "a"}, {"app": "process"})
    here, there = request.saying(ACME), request.saying(UMBRELLA)
    facts = described_request.RequestFacts()
    assert here.attribution(below, facts)[0] == {"app": "a", "customer": "acme"}
    assert there.attribution(below, facts)[0]["customer"] == "umbrella"
    assert request.attribution(below, facts)[0] == {"app": "a"}
    assert here.attribution(below, facts) is here.attribution(below, facts)
