"""What a call used, by the attributes of its span: leaves that never count a token twice.

The conventions put cached tokens inside the input and reasoning inside the output. Where a part is larger
than its whole, or the stated total says so, it stands beside it.
https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from farebox.telemetry.otlp_in import attribute_names as names
from farebox.telemetry.otlp_in.attribute_values import count_of
from farebox.telemetry.otlp_in.records import Attributes, MalformedError

Leaves = dict[str, int]

_OWN_NAMES = {
    "input": "input_uncached",
    "input_cached_tokens": "cache_read",
    "cache_read_input_tokens": "cache_read",
    "input_cache_read": "cache_read",
    "cache_creation_input_tokens": "cache_write_other",
    "input_cache_creation": "cache_write_other",
    "input_cache_creation_5m": "cache_write_5m",
    "input_cache_creation_1h": "cache_write_1h",
    "input_audio_tokens": "input_audio",
    "output": "output_text",
    "output_reasoning_tokens": "output_reasoning",
    "output_reasoning": "output_reasoning",
    "output_audio_tokens": "output_audio",
}
"""Langfuse's own names, which are exclusive. https://langfuse.com/docs/observability/features/token-and-cost-tracking"""


class Counts(msgspec.Struct, kw_only=True):
    """Totals and what is inside them, where they are stated."""

    input: int | None = None
    output: int | None = None
    total: int | None = None
    cache_read: int = 0
    cache_write: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    tool_use_input: int = 0
    inside_input: Leaves = {}
    inside_output: Leaves = {}
    cache_outside_input: bool = False
    reasoning_outside_output: bool = False


def counts_of(attributes: Attributes, *, cache_outside_input: bool = False) -> Counts:
    """Return what a span's attributes count.

    Raises:
        MalformedError: One of them is no count.
    """
    inside = {
        "input_audio": names.INPUT_AUDIO,
        "input_image": names.INPUT_IMAGE,
        "input_video": names.INPUT_VIDEO,
    }
    out = {"output_audio": names.OUTPUT_AUDIO, "output_image": names.OUTPUT_IMAGE}
    return Counts(
        input=count_of(attributes, names.INPUT),
        output=count_of(attributes, names.OUTPUT),
        total=count_of(attributes, names.TOTAL),
        cache_read=count_of(attributes, names.CACHE_READ) or 0,
        cache_write=count_of(attributes, names.CACHE_WRITE) or 0,
        cache_write_5m=count_of(attributes, names.CACHE_WRITE_5M) or 0,
        cache_write_1h=count_of(attributes, names.CACHE_WRITE_1H) or 0,
        reasoning=count_of(attributes, names.REASONING) or 0,
        inside_input={leaf: count for leaf, keys in inside.items() if (count := count_of(attributes, keys))},
        inside_output={leaf: count for leaf, keys in out.items() if (count := count_of(attributes, keys))},
        cache_outside_input=cache_outside_input,
    )


def leaves_of(counts: Counts) -> Leaves | None:
    """Return the leaves that some counts come to, None where there are none at all."""
    if counts.input is None and counts.output is None:
        if counts.total is None:
            return None
        counts = msgspec.structs.replace(counts, input=counts.total)  # embeddings of some libraries
    found: Leaves = {}
    if counts.input is not None:
        _add_input(found, counts, counts.input)
    if counts.output is not None:
        _add_output(found, counts, counts.output)
    return found


def _add_input(found: Leaves, counts: Counts, whole: int) -> None:
    by_time = counts.cache_write_5m + counts.cache_write_1h
    written = max(counts.cache_write, by_time)
    cached = counts.cache_read + written
    rest = whole
    is_outside = counts.cache_outside_input or cached > whole
    if not is_outside and counts.total is not None and cached and counts.output is not None:
        is_outside = counts.total == whole + cached + counts.output
    if not is_outside:
        rest -= cached
    for leaf, count in counts.inside_input.items():
        found[leaf] = min(count, rest)
        rest -= found[leaf]
    found["input_uncached"] = rest
    if counts.tool_use_input:
        found["tool_use_input"] = counts.tool_use_input
    if counts.cache_read:
        found["cache_read"] = counts.cache_read
    if counts.cache_write_5m:
        found["cache_write_5m"] = counts.cache_write_5m
    if counts.cache_write_1h:
        found["cache_write_1h"] = counts.cache_write_1h
    if written > by_time:
        # Where one of the two times to live is stated, the other is what is left.
        leaf = (
            "cache_write_5m" if counts.cache_write_1h and not counts.cache_write_5m else "cache_write_other"
        )
        found[leaf] = written - by_time


def _add_output(found: Leaves, counts: Counts, whole: int) -> None:
    is_outside = counts.reasoning_outside_output or counts.reasoning > whole
    if not is_outside and counts.total is not None and counts.reasoning and counts.input is not None:
        is_outside = counts.total == counts.input + whole + counts.reasoning
    rest = whole if is_outside else whole - counts.reasoning
    for leaf, count in counts.inside_output.items():
        found[leaf] = min(count, rest)
        rest -= found[leaf]
    found["output_text"] = rest
    if counts.reasoning:
        found["output_reasoning"] = counts.reasoning


def details_of(attributes: Attributes) -> Mapping[str, Any] | None:
    """Return usage that an attribute holds as JSON, as a mapping."""
    for name in names.USAGE_DETAILS:
        text = attributes.get(name)
        if isinstance(text, str):
            try:
                return _decode_details(text) or None
            except (msgspec.MsgspecError, RecursionError):
                raise MalformedError(f"{name} is no JSON object") from None
    return None


def own_leaves(details: Mapping[str, Any]) -> Leaves | None:
    """Return the leaves of usage in Langfuse's own names; None where it is a provider's usage object."""
    if not ({"input", "output"} & details.keys()):
        return None
    found: Leaves = {}
    for name, count in details.items():
        leaf = _OWN_NAMES.get(name)
        if leaf is None:
            continue
        if type(count) is not int or count < 0:
            raise MalformedError(f"{names.USAGE_DETAILS[0]} has counts that are none")
        found[leaf] = found.get(leaf, 0) + count
    return found


_decode_details = msgspec.json.Decoder(dict[str, Any]).decode
