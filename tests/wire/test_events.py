"""Events are passed over by a short text; what is found is what the patterns alone would find."""

from __future__ import annotations

import random
import re

import pytest

from farebox import catalog
from farebox.catalog.shape import Group, Take, UsageFormat
from farebox.wire.framing.events import EventScanner
from farebox.wire.usage.compiled_format import plan_for
from farebox.wire.usage.json_reader import marks_of

USAGE = b'data: {"id":"1","usage": {"prompt_tokens": 3, "total_tokens": 4}}\n\n'
ODD = b'data: {"id":"1","usage": {"credits": 3}}\n\n'
NULL = b'data: {"id":"1","usage": null,"choices":[{"delta":{"content":"word"}}]}\n\n'
TALK = b'data: {"id":"1","usage": null,"choices":[{"delta":{"content":"prompt_tokens are"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
FORM = UsageFormat(
    tokens=(Group(total=("prompt_tokens",), rest="input_uncached", inside={}),), terminal=("[DONE]",)
)


def found(stream: bytes, seed: int, marks: tuple[bytes, ...], form: UsageFormat = FORM) -> list[bytes]:
    payloads: list[bytes] = []
    scanner = EventScanner(
        separator=b"\n\n",
        watch=plan_for(form).watching,
        marks=marks,
        decode=payloads.append,
        identified=lambda: True,
        keep=plan_for(form).reader.keep,
        pass_over=lambda _: None,
    )
    rng = random.Random(seed)
    at = 0
    while at < len(stream):
        size = rng.choice((1, 7, 300, 40_000))
        scanner.feed(stream[at : at + size])
        at += size
    scanner.finish()
    return payloads


@pytest.mark.parametrize("seed", range(60))
def test_usage_is_found_wherever_it_stands(seed: int) -> None:
    rng = random.Random(seed)
    events = rng.choices([NULL, TALK, USAGE], weights=[40, rng.choice((0, 4)), 1], k=rng.choice((3, 900)))
    stream = b"".join(events) + DONE
    marks = marks_of(FORM)
    assert marks
    with_mark = [payload for payload in found(stream, seed, marks) if b"total" in payload]
    assert with_mark == [payload for payload in found(stream, seed, ()) if b"total" in payload]
    assert len(with_mark) == events.count(USAGE)


def test_a_last_event_is_looked_at_though_no_count_is_in_it() -> None:
    assert found(NULL * 900 + ODD + DONE, 1, marks_of(FORM)) == [ODD.removeprefix(b"data: ").strip()]


def test_every_mark_stands_in_every_count_of_its_format() -> None:
    marked: set[str] = set()
    for provider in catalog.load({}).providers.values():
        for name, form in provider.formats.items():
            marks = [mark.decode() for mark in plan_for(form).marks]
            for path in _counts(form) if marks else ():
                assert marks[0] in path, f"{name}: {path}"
            marked |= {name} if marks else set()
    assert {"openai/chat", "openai/responses", "anthropic/messages", "google/generate"} <= marked


def test_paths_that_share_nothing_have_no_mark() -> None:
    groups = (
        Group(total=("prompt_tokens",), rest="input_uncached"),
        Group(total=("output",), rest="output_text", inside={"output_reasoning": Take(("thinking_count",))}),
    )
    assert marks_of(UsageFormat(tokens=groups)) == ()
    assert marks_of(UsageFormat()) == ()


def _counts(form: UsageFormat) -> list[str]:
    paths = [path for group in form.tokens for path in group.total]
    paths += [path for group in form.tokens for take in group.inside.values() for path in take.at]
    return [re.sub(r"\[[^\]]*\]", "", term) for path in paths for term in path.split(" + ")]
