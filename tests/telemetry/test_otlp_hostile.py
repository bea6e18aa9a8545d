"""Whatever bytes are sent: they are read, counted, or refused, and never an error of ours."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from otlp_requests import (
    AS_JSON,
    AS_PROTOBUF,
    GPT,
    PROMPT,
    as_json,
    as_protobuf,
    emissions,
    events,
    read,
    span,
)

from farebox.catalog import load
from farebox.ingest.refused_body import BodyRefusedError
from farebox.telemetry.otlp_in.reception import OtlpReader
from farebox.telemetry.otlp_in.records import Signal
from farebox.telemetry.protobuf_message import message, text

READER = OtlpReader(load)
SIGNALS: tuple[Signal, ...] = ("traces", "logs", "metrics")


def taken(body: bytes, signal: Signal) -> None:
    for headers in (AS_PROTOBUF, AS_JSON):
        try:
            read(body, headers, signal, READER)
        except BodyRefusedError as refused:
            assert refused.status in (400, 413)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(SIGNALS))
def test_any_bytes_are_taken_or_refused(body: bytes, signal: Signal) -> None:
    taken(body, signal)


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_request_with_bytes_changed_or_cut_is_taken_or_refused(signal: Signal) -> None:
    rng = random.Random(15)
    spans = emissions("pydantic")
    for whole in (as_protobuf(*spans), as_json(*spans)):
        for _ in range(60):
            body = bytearray(whole)
            for _ in range(rng.randrange(1, 6)):
                body[rng.randrange(len(body))] = rng.randrange(256)
            taken(bytes(body[: rng.randrange(len(body))] if rng.random() < 0.3 else body), signal)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "gen_ai.usage.input_tokens",
                "gen_ai.usage.output_tokens",
                "gen_ai.usage.cache_read.input_tokens",
                "gen_ai.usage.reasoning.output_tokens",
                "gen_ai.request.model",
                "gen_ai.request.max_tokens",
                "gen_ai.operation.name",
                "gen_ai.response.id",
                "gen_ai.response.time_to_first_chunk",
                "http.response.status_code",
                "server.address",
                "langfuse.observation.usage_details",
                "sampling.probability",
                "farebox.customer",
                "farebox.tag.x",
            ]
        ),
        st.one_of(
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(max_size=20),
            st.booleans(),
            st.lists(st.text(max_size=5), max_size=3),
        ),
    )
)
def test_any_values_of_attributes_are_counted_or_told(attributes: dict[str, object]) -> None:
    found = read(
        as_json(span("a", attributes={"gen_ai.operation.name": "chat", **attributes})),
        reader=OtlpReader(load),
    )
    said = found.counted
    assert said.calls + said.malformed + said.calls_without_usage + said.other_spans + said.parent_totals == 1
    assert len(found.items.texts) == said.calls + bool(said.sampled_calls)


def test_numbers_without_an_end_are_neither_worked_out_nor_an_error() -> None:
    for name in ("sampling.probability", "SampleRate", "gen_ai.response.time_to_first_chunk", "duration_ms"):
        for said in ("1e99999999999", "1e-99999999999", "NaN", "-Infinity", "9" * 4000):
            found = read(as_json(span("a", attributes={**GPT, name: said})), reader=READER)
            assert (found.counted.calls, found.counted.unseen_calls) == (1, 0)


def test_a_list_in_a_list_in_a_list_is_stepped_over() -> None:
    deep = message(1, b"x")
    for _ in range(20_000):
        deep = message(1, message(5, deep))
    attribute = message(9, text(1, "tag.tags") + message(2, message(5, deep + message(1, text(1, "a")))))
    whole = as_protobuf(span("a"), span("b"))
    body = bytes(whole)
    inner = message(1, message(2, message(1, text(1, "s")) + message(2, attribute)))
    found = read(body + inner, AS_PROTOBUF, reader=READER)
    assert (found.counted.calls, found.counted.other_spans) == (2, 1)


@pytest.mark.parametrize("value", ["5", "[1]", '{"doubleValue": "many"}', '{"intValue": "x"}', "[" * 3000])
def test_a_resource_that_makes_no_sense_hurts_no_span(value: str) -> None:
    one = as_json(span("a"), resource={"service.name": "SERVICE"})
    closed = value + "]" * value.count("[" if len(value) > 100 else "\0")
    body = one.replace(b'{"stringValue":"SERVICE"}', closed.encode())
    try:
        assert read(body, reader=READER).counted.calls == 1
    except BodyRefusedError as refused:
        assert refused.status == 400


def test_a_number_that_is_none_hurts_no_other_span() -> None:
    body = as_json(span("a", attributes={**GPT, "farebox.customer": 1.5}), span("b"))
    found = read(body.replace(b'"doubleValue":1.5', b'"doubleValue":"many"'), reader=READER)
    assert (found.counted.calls, found.counted.malformed) == (1, 1)


def test_of_what_stands_under_the_name_of_a_cost_only_figures_are_kept() -> None:
    for said in (PROMPT, "{" + PROMPT, f'{{"total": "{PROMPT}"}}', f'"{PROMPT}"'):
        for name in ("gen_ai.usage.cost", "langfuse.observation.cost_details"):
            found = read(as_json(span("a", attributes={**GPT, name: said})), reader=READER)
            assert found.counted.calls == 1
            assert not any(PROMPT.encode() in each for each in found.items.texts)
    for said in ("0.0123", '{"input": 0.01, "total": "0.02"}'):
        found = read(as_json(span("a", attributes={**GPT, "gen_ai.usage.cost": said})), reader=READER)
        (event,) = events(found)
        assert msgspec.json.decode(event["raw_usage"])["gen_ai.usage.cost"] == said
