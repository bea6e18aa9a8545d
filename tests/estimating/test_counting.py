"""Tokens of text: exact by the vocabulary, between bounds by characters, images left out."""

from __future__ import annotations

import base64
import json
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from farebox.estimating import counting, texts
from farebox.estimating.rules import divided, rules
from farebox.wire.usage.estimate_sample import SAMPLE_BYTES, Sample, Side, Unmeasured


def unmeasured(model: str, request: bytes, response: bytes = b"", total: int | None = None) -> Unmeasured:
    return Unmeasured(
        event_id=b"e" * 16,
        source="p",
        model=model,
        lacks=("input", "output"),
        request=Side(request, len(request) if total is None else total),
        response=Side(response, len(response)),
    )


def chat(content: str) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": content}]}).encode()


def test_openai_models_are_counted_by_their_vocabulary() -> None:
    found = counting.count(unmeasured("gpt-4o-2024-08-06", chat("hello world")))
    # Two tokens, four around the message and three around the whole.
    assert (found.method, found.input) == ("tokenizer:o200k_base", (2, 9, 9))
    assert counting.count(unmeasured("gpt-4-turbo", chat("hello world"))).method == "tokenizer:cl100k_base"
    assert counting.count(unmeasured("openai/gpt-4o", chat("hi"))).method == "tokenizer:o200k_base"


def test_without_the_vocabulary_they_are_counted_by_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "encoder", lambda _: None)
    found = counting.count(unmeasured("gpt-4o", chat("hello world")))
    assert found.method == "text:openai"
    assert found.input is not None
    assert found.input[0] <= 2 <= found.input[2]


def test_other_models_are_counted_by_their_familys_ratio() -> None:
    found = counting.count(unmeasured("claude-sonnet-4-5", chat("a" * 350 + " ")))
    # 351 characters: at 5.5, 3.5 and 2.5 a token, and seven around them.
    assert (found.method, found.input) == ("text:anthropic", (64, 101 + 7, 141 + 7))
    assert counting.count(unmeasured("models/gemini-2.5-pro", chat("x"))).method == "text:google"
    assert counting.count(unmeasured("llama-3", chat("x"))).method == "text:common"


def test_every_rule_says_where_it_is_from() -> None:
    found = rules()
    assert all(rule.source for rule in (*found.rules, *found.bytes))
    assert found.of_model("anything-else") == found.rules[-1]
    assert found.of_bytes("my-llm.other", "input", streamed=False) is not None


def test_an_image_is_no_text() -> None:
    image = base64.b64encode(random.Random(1).randbytes(6_000)).decode()
    body = json.dumps(
        {"messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}},
            {"type": "text", "text": "what is this?"},
        ]}]}
    ).encode()  # fmt: skip
    found = texts.asked(body)
    assert found.text == "what is this?"
    assert found.looked_at_bytes < 300


ANSWERS = {
    "Hello": (
        b'data: {"choices":[{"delta":{"role":"assistant","content":"Hel"}}]}\n\n'
        b'data: {"choices":[{"delta":{"content":"lo"}}]}\n\n'
    ),
    'Hi "you"': (
        b"event: content_block_delta\n"
        b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"Hi \\"you\\""}}\n\n'
    ),
    "said once": (
        b'data: {"type":"response.output_text.delta","delta":"said once"}\n\n'
        b'data: {"type":"response.output_text.done","text":"said once"}\n\n'
    ),
    "eins zwei": (
        b'data: {"candidates":[{"content":{"parts":[{"text":"eins "}]}}]}\r\n\r\n'
        b'data: {"candidates":[{"content":{"parts":[{"text":"zwei"}]}}]}'
    ),
    "ab": (
        b'{"message":{"role":"assistant","content":"a"},"done":false}\n'
        b'{"message":{"content":"b"},"done":false}\n'
    ),
    "cut of": b'data: {"choices":[{"delta":{"content":"cut of',
}


@pytest.mark.parametrize(("text", "answer"), ANSWERS.items())
def test_what_was_generated_is_found_in_every_framing(text: str, answer: bytes) -> None:
    assert texts.answered(answer).text == text


def test_a_long_run_without_a_space_takes_no_long_time() -> None:
    found = counting.count(unmeasured("gpt-4o", chat("a." * 10_000)))
    assert found.input is not None
    assert found.input[1] > 500


def test_what_was_not_kept_counts_like_what_was() -> None:
    body = chat("word " * 1_000)
    whole, half = (
        counting.count(unmeasured("gpt-4o", part, total=len(body))).input
        for part in (body, body[: len(body) // 2])
    )
    assert whole is not None
    assert half is not None
    assert abs(whole[1] - half[1]) < whole[1] // 20
    assert half[0] < whole[1] < half[2]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(("gpt-4o", "claude-x", "", "gpt-5")))
@example(b'"role"', "gpt-4o")
def test_bounds_are_in_order_whatever_comes(body: bytes, model: str) -> None:
    found = counting.count(unmeasured(model, body, body, total=len(body) * 3))
    for side in (found.input, found.output):
        assert side is None or 0 <= side[0] <= side[1] <= side[2]


@given(st.lists(st.binary(max_size=20_000), max_size=8))
def test_a_sample_is_the_beginning_and_bounded(pieces: list[bytes]) -> None:
    kept = Sample()
    for piece in pieces:
        kept.add(piece)
    assert kept.side() == Side(b"".join(pieces)[:SAMPLE_BYTES], sum(map(len, pieces)))


def test_divided_rounds_up_and_keeps_its_order() -> None:
    assert divided(0, rules().bytes[0].at) == (0, 0, 0)
    low, guess, high = divided(1_000, rules().bytes[0].at)
    assert low <= guess <= high
