"""Cutting a document down keeps what is asked for, in any pieces and in bounded memory."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farebox.wire.framing import largejson
from farebox.wire.framing.largejson import KEPT_STRING_MAX, JsonPruner, prune

KEYS = frozenset(("usage", "model", "output"))

_TEXT = st.text(max_size=60) | st.text(st.sampled_from('"\\[]{},:ab'), max_size=30)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)
_BODY = st.dictionaries(
    st.sampled_from(("usage", "model", "output", "data", 'a"b\\', "ü")) | st.text(), _JSON
)


@pytest.fixture(autouse=True, params=[1, 256], ids=["strides of any length", "long strides"])
def stride(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small documents take the way of large ones as well."""
    monkeypatch.setattr(largejson, "_STRIDE_MIN", request.param)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_BODY, st.sampled_from((None, 0, 2)), st.booleans(), st.integers(0, 2**32))
def test_what_is_kept_is_what_an_ordinary_reader_sees(
    body: dict[str, object], indent: int | None, ascii_only: bool, seed: int
) -> None:
    text = json.dumps(body, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    pruner = JsonPruner(KEYS)
    rng = random.Random(seed)
    position = 0
    while position < len(text):
        size = rng.choice((1, 2, 5, 50, 5000))
        pruner.feed(text[position : position + size])
        position += size
    assert pruner.closed
    assert json.loads(pruner.result()) == {key: value for key, value in body.items() if key in KEYS}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_BODY, max_size=4))
def test_a_list_of_objects_is_cut_down_entry_by_entry(bodies: list[dict[str, object]]) -> None:
    text = json.dumps(bodies).encode()
    kept = [{key: value for key, value in body.items() if key in KEYS} for body in bodies]
    assert json.loads(prune(text, KEYS)) == kept


def test_a_long_string_becomes_an_empty_one() -> None:
    text = json.dumps(
        {"output": [{"type": "image", "result": "A" * 100_000, "id": "x"}], "model": "m"}
    ).encode()
    assert json.loads(prune(text, KEYS)) == {
        "output": [{"type": "image", "result": "", "id": "x"}],
        "model": "m",
    }
    keep = "B" * KEPT_STRING_MAX
    assert json.loads(prune(json.dumps({"model": keep}).encode(), KEYS)) == {"model": keep}


def test_memory_is_bounded_by_what_is_kept() -> None:
    pruner = JsonPruner(KEYS)
    pruner.feed(b'{"data":"')
    for _ in range(200):
        pruner.feed(b"A" * 65536)
    pruner.feed(b'","data2":[' + b"0.123456," * 7000)
    for _ in range(50):
        pruner.feed(b"0.123456," * 7000)
    pruner.feed(b'1],"usage":{"total_tokens":3}}')
    assert pruner.result() == b'{"usage":{"total_tokens":3}}'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b'{"output":' + b"[" * 10_000, "nested_too_deep"),
        (b'{"data":' + b"[" * 10_000, "nested_too_deep"),
        (b'{"output":[' + b"1234567890," * 200_000, "body_too_large"),
        (b"}", "body_not_json"),
    ],
)
def test_what_cannot_be_kept_says_so(text: bytes, problem: str) -> None:
    pruner = JsonPruner(KEYS)
    for start in range(0, len(text), 60_000):
        pruner.feed(text[start : start + 60_000])
    assert pruner.problem == problem
    assert pruner.result() == b"" or len(pruner.result()) < 2_000_000
