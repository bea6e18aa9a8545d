"""Records as public events, and back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.journal.records import OUTCOME, SCORE, Done, Result, decode_done, encode
from farebox.recording.event_schema import Event
from farebox.recording.event_spelling import event_of_done, event_of_result, loss_event
from farebox.recording.events import (
    content_digest,
    decode_event,
    done_of,
    encode_event,
    loss_of,
    moment_ns,
    moment_text,
    result_of,
)
from farebox.recording.invalid_event import EventInvalidError
from farebox.recording.stated_usage import quantity_of
from farebox.wire.facts import LEAVES, Extraction, Part

NOW = 1_790_000_000_123_456_789


def leaves(provider: str, model: str, usage: Mapping[str, Any]) -> tuple[str, Extraction]:
    quantities = {leaf: quantity_of(leaf, count) for leaf, count in usage.items()}
    part = Part(provider=provider, request_model=model, response_model=model, quantities=quantities)
    return f"{provider}.other", Extraction(
        parts=(part,) if usage else (), completeness="final" if usage else "none"
    )


def read(text: bytes) -> Done:
    event = decode_event(text)
    return done_of(event, source=event.source or "event:tok", received_ns=NOW, read_usage=leaves)


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
names = st.text("abcdefgh_", min_size=1, max_size=12)
counts = st.integers(0, 2**63 - 1)
moments = st.integers(10**18, 4 * 10**18)
attributions = st.dictionaries(
    st.one_of(
        st.sampled_from(["customer", "user", "agent", "step", "process.pid", "call"]),
        names.map("tag.{}".format),
    ),
    words,
    max_size=6,
)
parts = st.builds(
    Part,
    provider=st.sampled_from(["openai", "other"]),
    request_model=st.none() | words,
    response_model=st.none() | words,
    kind=st.sampled_from(["main", "compaction"]),
    quantities=st.builds(
        lambda whole, split: whole | split,
        st.dictionaries(st.sampled_from(LEAVES), counts, max_size=4),
        st.dictionaries(
            st.sampled_from([leaf for leaf in LEAVES if leaf.endswith("_seconds")]),
            st.decimals(0, 10**9, places=3).filter(lambda count: count != count.to_integral_value()),
            max_size=2,
        ),
    ),
    facts=st.dictionaries(names, words, max_size=2),
    provider_cost_usd=st.none() | st.decimals(0, 100, places=6),
)
extractions = st.builds(
    Extraction,
    parts=st.lists(parts, max_size=3).map(tuple),
    completeness=st.sampled_from(["final", "partial", "estimated", "none"]),
    reason=st.none() | words,
    billable=st.booleans(),
    not_billable_because=st.none() | words,
    response_id=st.none() | words,
    request_model=st.none() | words,
    response_model=st.none() | words,
    streamed=st.booleans(),
    raw_usage=st.none() | st.just('{"total_tokens":3}'),
    error_code=st.none() | words,
    flags=st.lists(words, max_size=2).map(tuple),
    lacks=st.sampled_from([(), ("input",), ("input", "more_output")]),
)
texts = st.none() | words
dones = st.builds(
    Done,
    event_id=st.binary(min_size=16, max_size=16),
    source=st.just("sdk:ab12:app.py"),
    witness=st.sampled_from(["sdk", "otlp"]),
    occurred_at_ns=moments,
    provider=st.sampled_from(["openai", "my-llm"]),
    surface=words,
    method=st.sampled_from(["POST", "GET"]),
    path=st.sampled_from(["", "/v1/chat/completions"]),
    host=st.sampled_from(["", "api.example.com"]),
    key_fingerprint=st.none() | st.just("0123456789abcdef"),
    attribution=attributions,
    attempt=st.integers(0, 9),
    ended_at_ns=moments,
    outcome=st.sampled_from(["completed", "client_disconnected", "timed_out", "unknown"]),
    status=st.integers(0, 999),
    error_class=texts,
    request_bytes=counts,
    response_bytes=counts,
    first_byte_us=counts,
    total_us=st.integers(0, 10**9),
    added_us=counts,
    extraction=extractions,
    max_tokens=st.none() | counts,
    payload_sha256=st.none() | st.binary(min_size=32, max_size=32),
    request_id=texts,
    passed_on=st.booleans(),
)


@given(dones, st.booleans())
def test_whatever_the_end_of_a_call_says_is_read_back_from_its_event(done: Done, has_sources: bool) -> None:
    if has_sources:
        done.attribution_from = dict.fromkeys(done.attribution, "sdk:attribute")
    text = encode_event(event_of_done(done))
    event = decode_event(text)
    back = done_of(event, source=event.source, received_ns=NOW, read_usage=leaves)
    assert decode_done(encode(back)) == done


def test_every_field_of_a_record_is_in_the_property_above() -> None:
    """A field that is added to `Done` or `Extraction` must be spelled in events, too."""
    drawn = set(dones.wrapped_strategy.kwargs)  # type: ignore[attr-defined]
    assert set(Done.__struct_fields__) - drawn == {"attribution_from", "event_id_text", "held"}
    assert set(extractions.wrapped_strategy.kwargs) == set(Extraction.__struct_fields__)  # type: ignore[attr-defined]
    assert set(parts.wrapped_strategy.kwargs) == set(Part.__struct_fields__)  # type: ignore[attr-defined]


def is_within_bounds(value: Decimal) -> bool:
    """At most 60 digits, between 10^-30 and 10^30: what an outcome's value may be."""
    return abs(value.adjusted()) <= 30 and len(value.as_tuple().digits) <= 60


@pytest.mark.parametrize("kind", [OUTCOME, SCORE])
@given(st.decimals(-(10**9), 10**9, allow_nan=False).filter(is_within_bounds), attributions, moments, words)
def test_whatever_an_outcome_or_score_says_is_read_back(
    kind: int, value: Decimal, attribution: dict[str, str], at: int, name: str
) -> None:
    result = Result(
        event_id=b"\7" * 16,
        source="sdk:ab12:app.py",
        occurred_at_ns=at,
        name=name,
        value=f"{value:f}" if abs(value.adjusted()) <= 30 else "1",
        attribution=attribution,
        attribution_from=dict.fromkeys(attribution, "sdk:event"),
    )
    event = decode_event(encode_event(event_of_result(kind, result)))
    assert event.type == ("outcome" if kind == OUTCOME else "score")
    assert result_of(event, source=event.source, received_ns=NOW) == result


def test_an_id_that_is_no_uuid_keeps_its_text() -> None:
    done = read(b'{"id":"order-7","source":"shop","provider":"openai","model":"m","usage":{"requests":1}}')
    assert done.event_id == hashlib.sha256(b"shop\0order-7").digest()[:16]
    assert done.event_id_text == "order-7"
    assert read(encode_event(event_of_done(done))) == done


def test_an_event_written_by_hand_needs_five_fields() -> None:
    done = read(
        b'{"id":"a-1","provider":"openai","model":"gpt-4o","customer":"acme",'
        b'"usage":{"input_uncached":900,"output_text":50}}'
    )
    (part,) = done.extraction.parts
    assert (done.occurred_at_ns, done.ended_at_ns, done.outcome) == (NOW, NOW, "completed")
    assert (done.surface, done.attribution) == ("openai.other", {"customer": "acme"})
    assert done.extraction.completeness == "final"
    assert (part.request_model, part.quantities) == ("gpt-4o", {"input_uncached": 900, "output_text": 50})


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"provider": None}, "provider"),
        ({"usage": {"input_tokenz": 1}}, "usage"),
        ({"usage": {"input_uncached": -1}}, "usage"),
        ({"usage": {"input_uncached": 2**63}}, "usage"),
        ({"time": "2026-11-29T08:30:00"}, "time"),
        ({"time": "yesterday"}, "time"),
        ({"time": "2026-02-30T08:30:00Z"}, "time"),
        ({"ended_at": "2026-11-29"}, "ended_at"),
        ({"model": None}, "model"),
        ({"response_model": "n"}, "model"),
        ({"usage": {}, "parts": [{"usage": {"input_uncached": -1}}]}, "parts.usage"),
        ({"parts": [{"usage": {"input_uncached": 1}}]}, "usage"),
        ({"name": "lead"}, "name"),
        ({"records": 3}, "records"),
        ({"tags": {" ": "x"}}, "tags"),
        ({"tags": {"A": "x", "a": "y"}}, "tags"),
        ({"customer": "acme", "attribution": {"customer": "other"}}, "attribution"),
    ],
)
def test_an_event_that_makes_no_sense_names_its_field(fields: dict[str, Any], field: str) -> None:
    event = {"id": "a-1", "provider": "openai", "model": "m", "usage": {"input_uncached": 1}, **fields}
    with pytest.raises(EventInvalidError) as caught:
        read(msgspec.json.encode(event))
    assert caught.value.field == field
    assert caught.value.reason


@pytest.mark.parametrize(
    "text",
    [
        b'{"provider":"openai"}',
        b'{"id":""}',
        b'{"id":1}',
        b'{"id":"a","custmer":"acme"}',
        b'{"id":"a","provider":"Open AI"}',
        b'{"id":"a","status":1000}',
        b'{"id":"a","total_us":-1}',
        b'{"id":"a","key_fingerprint":"sk-abcdef"}',
        b'{"id":"a","provider":"openai\\n"}',
        b'{"id":"a","type":"span"}',
        b'{"id":"a","payload_sha256":"xyz"}',
        b'{"id":"a","parts":[{"usage":{"input_uncached":"x"}}]}',
    ],
)
def test_what_the_schema_does_not_have_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_event(text)


@pytest.mark.parametrize("number", ["1e400", '"NaN"', '"Infinity"', "1e31", '"' + "9" * 61 + '"', "-1.5"])
def test_a_count_that_is_no_plain_number_is_refused(number: str) -> None:
    with pytest.raises(EventInvalidError):
        read(
            b'{"id":"a","provider":"openai","surface":"openai.chat","parts":[{"usage":{"audio_seconds":%s}}]}'
            % number.encode()
        )


def test_what_looks_like_a_key_is_in_no_record_made_of_an_event() -> None:
    key = "sk-proj-" + "a1B2" * 8
    event = {
        "id": "a-1",
        "provider": "openai",
        "model": key,
        "usage": {"input_uncached": 1},
        "path": f"/v1/{key}",
        "host": key,
        "surface": key,
        "customer": key,
        "tags": {key: key},
        "attribution_from": {"customer": key},
        "response_id": key,
        "request_id": key,
        "error_class": key,
        "raw_usage": f'{{"x":"{key}"}}',
    }
    assert key.encode() not in encode(read(msgspec.json.encode(event)))
    with pytest.raises(EventInvalidError):
        read(msgspec.json.encode({**event, "id": key}))


def test_moments_keep_every_nanosecond() -> None:
    assert moment_ns(moment_text(NOW)) == NOW
    assert moment_ns("2026-11-29T09:30:00.5+01:00") == moment_ns("2026-11-29T08:30:00.500000000Z")


def test_content_is_the_same_however_it_is_spelled() -> None:
    base = {"id": "a", "time": "2026-11-29T08:30:00Z", "tags": {"x": "1", "y": "2"}}

    def digest(**fields: Any) -> bytes:
        return content_digest(msgspec.convert({**base, **fields}, Event))

    assert digest() == digest(tags={"y": "2", "x": "1"}, time="2026-11-29T09:30:00.000+01:00", status=0)
    assert digest() != digest(status=200)
    assert digest() != digest(time="2026-11-29T08:30:01Z")
    assert digest(type="loss", records=3) == digest(type="loss", records=3, time="2026-11-29T08:30:01Z")
    assert digest(type="loss", records=3) != digest(type="loss", records=4)


def test_a_loss_is_a_mark_that_knows_its_event() -> None:
    event = loss_event(b"\1" * 16, "sdk:m:p", records=5, exchanges=2, size=900, from_ns=NOW, until_ns=NOW + 9)
    mark = loss_of(decode_event(encode_event(event)), source="sdk:m:p", received_ns=NOW + 50)
    assert (mark.kind, mark.at_ns) == ("lost", NOW + 50)
    assert mark.detail == {
        "records": 5,
        "exchanges": 2,
        "bytes": 900,
        "from_ns": NOW,
        "until_ns": NOW + 9,
        "source": "sdk:m:p",
        "event_id": "01" * 16,
    }
