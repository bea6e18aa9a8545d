"""However a body is cut, what is measured is the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.catalog.fixtures import FILES, NAMES, Fixture, meter, read

from farebox.wire.facts import Extraction

SPLITS = {True: 1000, False: 50}
"""How often a stream and any other body is cut."""


def random_pieces(body: bytes, rng: random.Random) -> Iterator[bytes]:
    """Yield `body` cut at random places: few cuts, many cuts, single bytes."""
    mean = rng.choice((1, 2, 5, 20, 100, 1000))
    position = 0
    while position < len(body):
        size = 1 + int(rng.expovariate(1 / mean))
        yield body[position : position + size]
        position += size


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_random_splits_measure_the_same(file: Path) -> None:
    fixture = read(file)
    whole = meter(fixture, [fixture.body])
    rng = random.Random(f"splits of {file.stem}")
    for _ in range(SPLITS[whole.streamed]):
        assert meter(fixture, random_pieces(fixture.body, rng)) == whole


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_every_single_cut_measures_the_same(file: Path) -> None:
    fixture = read(file)
    whole = meter(fixture, [fixture.body])
    for cut in range(1, len(fixture.body)):
        assert meter(fixture, [fixture.body[:cut], fixture.body[cut:]]) == whole


STREAMS = [read(file) for file in FILES]
STREAMS = [fixture for fixture in STREAMS if fixture.body.startswith((b"data:", b"event:", b":"))]


def _rewritten(fixture: Fixture, line_end: bytes, comment: bytes, lead: bytes) -> Fixture:
    body = fixture.body.replace(b"\r\n", b"\n")
    body = body.replace(b"\n\n", b"\n\n" + comment) if comment else body
    return Fixture(
        fixture.provider,
        fixture.method,
        fixture.path,
        fixture.request,
        fixture.request_type,
        fixture.status,
        fixture.headers,
        lead + body.replace(b"\n", line_end),
        fixture.expect,
    )


def _judged(extraction: Extraction) -> tuple[object, ...]:
    return extraction.parts, extraction.completeness, extraction.response_id, extraction.flags


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from(STREAMS),
    st.sampled_from((b"\n", b"\r\n", b"\r")),
    st.sampled_from((b"", b": keep-alive\n\n", b":\n", b"id: 7\nretry: 100\n")),
    st.sampled_from((b"", b"\xef\xbb\xbf", b"\n\n")),
    st.integers(0, 2**32),
)
def test_line_ends_comments_and_a_byte_order_mark_change_nothing(
    fixture: Fixture, line_end: bytes, comment: bytes, lead: bytes, seed: int
) -> None:
    whole = _judged(meter(fixture, [fixture.body]))
    changed = _rewritten(fixture, line_end, comment, lead)
    assert _judged(meter(changed, random_pieces(changed.body, random.Random(seed)))) == whole


def test_data_over_several_lines_is_one_event() -> None:
    fixture = next(read(file) for file in FILES if file.stem == "messages_stream")
    body = fixture.body.replace(b'"usage": {"input_tokens"', b'"usage":\ndata: {"input_tokens"')
    changed = Fixture(**{**vars(fixture), "body": body})
    assert b"\ndata: {" in body
    assert meter(changed, [body]) == meter(fixture, [fixture.body])
    rng = random.Random(5)
    for _ in range(100):
        assert meter(changed, random_pieces(body, rng)) == meter(fixture, [fixture.body])
