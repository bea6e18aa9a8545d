"""Usage objects become exclusive leaves; what is odd is flagged and never crashes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farebox import catalog
from farebox.wire.facts import INPUT_LEAVES, OUTPUT_LEAVES
from farebox.wire.usage.json_reader import decode_any
from farebox.wire.usage.quantities import Measure, Oddities


def _measure(provider: str, form: str) -> Measure:
    found = catalog.load().provider(provider)
    assert found is not None
    return Measure(found.formats[f"{provider}/{form}"])


CHAT = _measure("openai", "chat")


def _read(text: str, measure: Measure = CHAT) -> tuple[dict[str, Any], Oddities]:
    oddities = Oddities()
    return measure.read(decode_any(text), oddities), oddities


def test_an_absent_count_stays_absent_and_a_zero_stays_zero() -> None:
    assert _read('{"prompt_tokens":0}')[0] == {"input_uncached": 0}
    leaves, _ = _read('{"prompt_tokens":5,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":0}}')
    assert leaves == {"input_uncached": 5, "cache_read": 0, "output_text": 0}
    assert _read('{"prompt_tokens":null,"completion_tokens":null}')[0] == {}


@pytest.mark.parametrize(
    ("number", "flag"),
    [
        ("-5", "negative_quantity:prompt_tokens"),
        ("1.5", "not_an_integer:prompt_tokens"),
        ("1e400", "quantity_too_large:prompt_tokens"),
        ("9223372036854775808", "quantity_too_large:prompt_tokens"),
        ("123456789012345678901234567890", "quantity_too_large:prompt_tokens"),
        ('"many"', "not_a_number:prompt_tokens"),
        ("true", "not_a_number:prompt_tokens"),
        ("[1]", "not_a_number:prompt_tokens"),
    ],
)
def test_a_count_that_cannot_be_one_is_flagged_and_left_out(number: str, flag: str) -> None:
    leaves, oddities = _read(f'{{"prompt_tokens":{number},"completion_tokens":3}}')
    assert leaves == {"output_text": 3}
    assert flag in oddities.flags
    assert oddities.invalid == "prompt_tokens"


@pytest.mark.parametrize("number", ["28.0", "28", '"28"', "2.8e1", "9223372036854775807"])
def test_a_whole_number_is_one_however_it_is_written(number: str) -> None:
    leaves, oddities = _read(f'{{"prompt_tokens":{number},"completion_tokens":1}}')
    assert leaves["input_uncached"] in (28, 2**63 - 1)
    assert type(leaves["input_uncached"]) is int
    assert oddities.invalid is None


def test_the_last_of_a_repeated_key_counts() -> None:
    assert _read('{"prompt_tokens":1,"prompt_tokens":2}')[0] == {"input_uncached": 2}


def test_an_unknown_number_is_flagged_wherever_it_is() -> None:
    _, oddities = _read(
        '{"prompt_tokens":5,"completion_tokens":0,"new_tokens":7,"zero_tokens":0,'
        '"prompt_tokens_details":{"odd_tokens":2},"extra":{"x":1},"note":"text"}'
    )
    assert set(oddities.flags) == {
        "unknown_field:new_tokens",
        "unknown_field:prompt_tokens_details.odd_tokens",
        "unknown_field:extra",
    }


def test_a_total_that_does_not_add_up_raises_an_alarm_only() -> None:
    leaves, oddities = _read('{"prompt_tokens":5,"completion_tokens":3,"total_tokens":20}')
    assert leaves == {"input_uncached": 5, "output_text": 3}
    assert list(oddities.flags) == ["sum_mismatch"]


def test_cached_audio_is_not_subtracted_twice() -> None:
    leaves, oddities = _read(
        '{"prompt_tokens":100,"prompt_tokens_details":{"cached_tokens":90,"audio_tokens":30},'
        '"total_tokens":100}'
    )
    assert leaves == {"input_uncached": 0, "cache_read": 90, "input_audio": 10}
    assert not oddities.flags


def test_parts_never_add_up_to_more_than_the_stated_total() -> None:
    leaves, oddities = _read(
        '{"prompt_tokens":5,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":9}}'
    )
    assert leaves == {"cache_read": 5, "input_uncached": 0, "output_text": 0}
    assert list(oddities.flags) == ["inside_exceeds_total"]


def test_a_cache_write_inside_the_cached_part_is_counted_once() -> None:
    usage = (
        '{"prompt_tokens":2168,"completion_tokens":10,"total_tokens":2178,'
        '"prompt_tokens_details":{"cached_tokens":2168,"cache_write_tokens":2154}}'
    )
    leaves, _ = _read(usage)
    assert leaves == {"cache_read": 14, "cache_write_other": 2154, "input_uncached": 0, "output_text": 10}


def test_cached_tokens_beside_the_prompt_stand_where_the_grand_total_holds_them() -> None:
    leaves, oddities = _read(
        '{"prompt_tokens":5,"completion_tokens":1,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":9}}'
    )
    assert leaves == {"cache_read": 9, "input_uncached": 5, "output_text": 1}
    assert list(oddities.flags) == ["inside_exceeds_total"]


@pytest.mark.parametrize(
    ("completion", "reasoning", "total", "output", "thought"),
    [
        (30, 20, 60, 30, 20),
        (10, 20, 40, 10, 20),
        (30, 0, 60, 30, 20),
        (30, 5, 60, 30, 20),
        (30, 20, 40, 10, 20),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_reasoning_beside_the_completion_is_counted_once_where_the_total_says_so(
    completion: int, reasoning: int, total: int, output: int, thought: int, as_text: bool
) -> None:
    measure = _measure("google", "compat")
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": completion,
        "total_tokens": total,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    text = json.dumps(usage).encode() if as_text else None
    for _ in range(2):
        leaves = measure.read(usage, Oddities(), text)
        assert leaves == {"input_uncached": 10, "output_text": output, "output_reasoning": thought}


def test_input_without_an_output_is_not_the_whole_unless_the_total_says_so() -> None:
    leaves, oddities = _read('{"prompt_tokens":5}')
    assert leaves == {"input_uncached": 5}
    assert oddities.invalid == "completion_tokens"
    assert _read('{"prompt_tokens":5,"total_tokens":9}')[1].invalid == "completion_tokens"
    assert _read('{"prompt_tokens":5,"total_tokens":5}')[1].invalid is None
    assert _read('{"prompt_tokens":5,"completion_tokens":0}')[1].invalid is None
    assert _read('{"input_tokens":5}', _measure("anthropic", "messages"))[1].invalid == "output_tokens"
    assert _read('{"prompt_tokens":5}', _measure("openai", "embeddings"))[1].invalid is None
    assert _read('{"promptTokenCount":5}', _measure("google", "generate"))[1].invalid is None


def test_the_part_of_a_cache_write_without_a_lifetime_is_a_five_minute_one() -> None:
    messages = _measure("anthropic", "messages")
    split = '"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":20}'
    leaves, _ = _read(f'{{"cache_creation_input_tokens":200,{split}}}', messages)
    assert leaves == {"cache_write_1h": 20, "cache_write_5m": 180}
    assert _read(f"{{{split}}}", messages)[0] == {"cache_write_1h": 20, "cache_write_5m": 100}
    assert _read('{"cache_creation_input_tokens":7}', messages)[0] == {"cache_write_5m": 7}


_NUMBER = st.sampled_from((0, 1, 5, 9, 40, None, -1, 7))
_DETAILS = st.dictionaries(
    st.sampled_from(("cached_tokens", "audio_tokens", "reasoning_tokens", "odd", "text_tokens")), _NUMBER
)
_MODALITIES = st.lists(
    st.fixed_dictionaries({"modality": st.sampled_from(("TEXT", "IMAGE", "AUDIO")), "tokenCount": _NUMBER}),
    max_size=2,
)
_OPENAI = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": _NUMBER,
        "completion_tokens": _NUMBER,
        "total_tokens": _NUMBER,
        "cached_tokens": _NUMBER,
        "num_cached_tokens": _NUMBER,
        "prompt_tokens_details": _DETAILS | st.none() | _NUMBER,
        "completion_tokens_details": _DETAILS | st.none(),
    },
)
_GEMINI = st.fixed_dictionaries(
    {},
    optional={
        "promptTokenCount": _NUMBER,
        "candidatesTokenCount": _NUMBER,
        "thoughtsTokenCount": _NUMBER,
        "cachedContentTokenCount": _NUMBER,
        "promptTokensDetails": _MODALITIES,
        "candidatesTokensDetails": _MODALITIES,
        "totalTokenCount": _NUMBER,
    },
)


@pytest.mark.parametrize(
    ("provider", "form", "usages"),
    [("openai", "chat", _OPENAI), ("mistral", "chat", _OPENAI), ("google", "generate", _GEMINI)],
)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_was_read_before_changes_nothing(
    provider: str, form: str, usages: st.SearchStrategy[dict[str, Any]], data: st.DataObject
) -> None:
    remembering = _measure(provider, form)
    for usage in data.draw(st.lists(usages, min_size=2, max_size=12)):
        forgetful = _measure(provider, form)
        ours, theirs = Oddities(), Oddities()
        assert remembering.read(usage, ours) == forgetful.read(usage, theirs)
        assert (ours.flags, ours.invalid) == (theirs.flags, theirs.invalid)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_the_leaves_of_a_side_add_up_to_its_total(
    prompt: int, cached: int, output: int, reasoning: int
) -> None:
    cached = min(cached, prompt)
    reasoning = min(reasoning, output)
    leaves, oddities = _read(
        f'{{"prompt_tokens":{prompt},"completion_tokens":{output},'
        f'"prompt_tokens_details":{{"cached_tokens":{cached}}},'
        f'"completion_tokens_details":{{"reasoning_tokens":{reasoning}}},"total_tokens":{prompt + output}}}'
    )
    assert sum(leaves.get(leaf, 0) for leaf in INPUT_LEAVES) == prompt
    assert sum(leaves.get(leaf, 0) for leaf in OUTPUT_LEAVES) == output
    assert leaves["cache_read"] == cached
    assert not oddities.flags
