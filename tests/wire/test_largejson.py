"""Cutting a document down keeps what is asked for, in any pieces and in bounded memory."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farebox.wire.framing import largejson
from farebox.wire.framing.largejson import (
    KEPT_BYTES_MAX,
    KEPT_STRING_MAX,
    JsonPruner,
    prune,
    repaired,
    wanted,
)

KEYS = ("usage", "model", "output")
KEEP = wanted(KEYS)

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
    pruner = JsonPruner(KEEP)
    rng = random.Random(seed)
    position = 0
    while position < len(text):
        size = rng.choice((1, 2, 5, 50, 5000))
        pruner.feed(text[position : position + size])
        position += size
    assert pruner.closed
    assert json.loads(pruner.result()) == {key: value for key, value in body.items() if key in KEYS}


@pytest.mark.parametrize("cut", range(40, 60))
def test_a_literal_cut_in_two_among_much_white_space_stays_one(cut: int) -> None:
    body = {"usage": [[[[None, None, -10000, -10012]]]]}
    text = json.dumps(body, indent=2).encode()
    pruner = JsonPruner(KEEP)
    pruner.feed(text[:cut])
    pruner.feed(text[cut:])
    assert json.loads(pruner.result()) == body


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_BODY, max_size=4))
def test_a_list_of_objects_is_cut_down_entry_by_entry(bodies: list[dict[str, object]]) -> None:
    kept = [{key: value for key, value in body.items() if key in KEYS} for body in bodies]
    pruner = JsonPruner(KEEP)
    pruner.feed(json.dumps(bodies).encode())
    assert pruner.closed
    assert [json.loads(entry) for entry in pruner.entries or ()] == kept


def test_a_long_string_becomes_an_empty_one() -> None:
    text = json.dumps(
        {"output": [{"type": "image", "result": "A" * 100_000, "id": "x"}], "model": "m"}
    ).encode()
    assert json.loads(prune(text, KEEP)) == {
        "output": [{"type": "image", "result": "", "id": "x"}],
        "model": "m",
    }
    keep = "B" * KEPT_STRING_MAX
    assert json.loads(prune(json.dumps({"model": keep}).encode(), KEEP)) == {"model": keep}


def test_memory_is_bounded_by_what_is_kept() -> None:
    pruner = JsonPruner(KEEP)
    pruner.feed(b'{"data":"')
    for _ in range(200):
        pruner.feed(b"A" * 65536)
    pruner.feed(b'","data2":[' + b"0.123456," * 7000)
    for _ in range(50):
        pruner.feed(b"0.123456," * 7000)
    pruner.feed(b'1],"usage":{"total_tokens":3}}')
    assert pruner.result() == b'{"usage":{"total_tokens":3}}'


def test_what_nobody_asked_for_may_be_nested_to_any_depth() -> None:
    assert prune(b'{"data":' + b"[" * 10_000 + b"]" * 10_000 + b',"model":"m"}', KEEP) == b'{"model":"m"}'


def test_only_what_is_wanted_of_an_object_is_kept() -> None:
    keep = wanted(("output[type=web_search_call,action.type?=search]", "usage", "content[].maps"))
    document = {
        "output": [
            {"type": "web_search_call", "action": {"type": "search", "query": "q" * 5_000}, "id": "ws"},
            {"type": "message", "content": [{"logprobs": [0.5] * 9_000}]},
            "no object",
            ["nor", {"type": "this"}],
        ],
        "content": {"maps": {"uri": "u"}, "web": 1},
        "usage": {"total": 3},
    }
    assert json.loads(prune(json.dumps(document).encode(), keep)) == {
        "output": [{"type": "web_search_call", "action": {"type": "search"}}, {"type": "message"}],
        "content": {"maps": {"uri": "u"}},
        "usage": {"total": 3},
    }


def test_what_is_too_much_to_keep_is_left_out_and_the_rest_is_kept() -> None:
    text = b'{"model":"m","output":[' + b'{"type":"message"},' * 200_000 + b'{}],"usage":{"total":3}}'
    pruner = JsonPruner(wanted(("output[type=x]", "usage", "model")))
    for start in range(0, len(text), 60_000):
        pruner.feed(text[start : start + 60_000])
        assert len(pruner.result()) <= KEPT_BYTES_MAX + 60_000
    assert pruner.left_out
    assert json.loads(pruner.result()) == {"model": "m", "usage": {"total": 3}}


def test_megabytes_of_white_space_are_no_content() -> None:
    blank = b" \r\n\t" * 500_000
    pieces = (b"{", b'"usage"', b":", b"{", b'"total"', b":", b"3", b",", b'"text"', b":", b'"a"', b"}", b"}")
    assert json.loads(prune(blank.join(pieces) + blank, KEEP)) == {"usage": {"total": 3, "text": "a"}}


@pytest.mark.parametrize("cut", [30, 60, 5_000])
def test_of_a_document_that_broke_off_the_complete_entries_are_kept(cut: int) -> None:
    text = b'{"usage":{"total":3},"model":"m","data":"' + b"A" * 10_000
    pruner = JsonPruner(KEEP)
    pruner.feed(text[:cut])
    assert json.loads(pruner.so_far())["usage"] == {"total": 3}
    assert not pruner.closed


def test_a_list_is_handed_over_entry_by_entry_while_it_passes() -> None:
    pruner = JsonPruner(KEEP)
    pruner.feed(b'[{"usage":{"total":1},"data":[1]},\n')
    assert pruner.entries == [b'{"usage":{"total":1}}']
    pruner.entries.clear()
    for _ in range(100_000):
        pruner.feed(b'{"model":"m","data":"AAAA"},')
        assert pruner.entries is not None
        pruner.entries.clear()
    pruner.feed(b'{"usage":{"total":2}}]')
    assert (pruner.entries, pruner.closed) == ([b'{"usage":{"total":2}}'], True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a":"\\ud83d","b":1}', {"a": "?", "b": 1}),
        (b'{"a":"\\ude00 \\ud83d\\ude00","b":1}', {"a": "? \U0001f600", "b": 1}),
        (b'{"a":"\xff","b":1}', {"a": "\ufffd", "b": 1}),
        (b'{"a":"x\ny\x01","b":NaN}', {"a": "x\ny\x01", "b": None}),
        (b'{"a":-Infinity,"b":[Infinity,nan,1]}', {"a": None, "b": [None, None, 1]}),
        (b'{"a":"\\q","b":"NaN"}', {"a": "", "b": "NaN"}),
    ],
)
def test_what_a_strict_reader_refuses_is_repaired(text: bytes, value: object) -> None:
    assert json.loads(repaired(text)) == value


@pytest.mark.parametrize(
    ("text", "problem"), [(b'{"output":' + b"[" * 10_000, "nested_too_deep"), (b"}", "body_not_json")]
)
def test_what_cannot_be_kept_says_so(text: bytes, problem: str) -> None:
    pruner = JsonPruner(KEEP)
    for start in range(0, len(text), 60_000):
        pruner.feed(text[start : start + 60_000])
    assert pruner.problem == problem
    assert len(pruner.result()) < 2_000_000
