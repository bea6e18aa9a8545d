"""Whatever bytes are sent: they are read, counted, or refused, and never an error of ours."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from otlp_requests import AS_JSON, AS_PROTOBUF, as_json, as_protobuf, emissions, read, span

from farebox.catalog import load
from farebox.ingest.refused_body import BodyRefusedError
from farebox.telemetry.otlp_in.reception import OtlpReader
from farebox.telemetry.otlp_in.records import Signal

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
