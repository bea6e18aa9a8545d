"""Find the text that is tokenised in the beginning of a request or a response.

Works on JSON, event streams and JSON lines alike, cut off anywhere: string literals are read one by one
with the key before them. The result never counts more text than there was.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

_LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?')
_OPEN = re.compile(r'"((?:[^"\\]|\\.)*)\Z')
_BINARY = re.compile(r"[A-Za-z0-9+/=_-]{256,}")
_DATA_URL = re.compile(r"data:[a-z]+/[a-z0-9.+-]+;base64,")

_NO_TEXT = frozenset(("model", "role", "type", "id", "object", "tool_call_id", "tool_use_id", "media_type"))
"""Keys of a request whose values the model does not read, or that stand for one token of a template."""

_OUTPUT = frozenset(
    (
        "content",
        "text",
        "delta",
        "partial_json",
        "arguments",
        "thinking",
        "reasoning",
        "reasoning_content",
        "refusal",
        "response",
        "completion",
        "output",
        "message",
    )
)
"""Keys under which responses have the generated text."""

_REPEATS = re.compile(
    r'"type"\s*:\s*"(?:response\.[a-z_.]*\.done|response\.(?:completed|incomplete|created|in_progress))"'
)
"""Events that repeat the text of others."""


_REFERENCES = re.compile(
    rb'"(?:previous_response_id|conversation|conversation_id|file_id|file_ids|file_url|file_uri|fileUri'
    rb'|cached_content|cachedContent|prompt_id|vector_store_ids)"\s*:\s*["\[{]'
    rb'|"prompt"\s*:\s*\{|"(?:url|uri|s3Uri)"\s*:\s*"(?:https?|gs|s3):'
    rb'|"image_url"\s*:\s*"https?:'
)
"""What a request that goes on from something else, or points at it, says."""


class Text(NamedTuple):
    """The text of one side."""

    text: str
    messages: int
    """How many messages a template is put around."""
    looked_at_bytes: int
    """How much of the side is text or its wrapping: images and sound are left out."""
    refers: bool = False
    """It refers to what it does not contain: an earlier answer, a file, a page, a picture by its address.
    How many tokens that is, nothing here bounds."""


def asked(beginning: bytes) -> Text:
    """Return the text of a request."""
    found, binary = _values(beginning.decode("utf-8", "replace"), None)
    messages = beginning.count(b'"role"')
    refers = _REFERENCES.search(beginning) is not None
    return Text("\n".join(found), messages, len(beginning) - binary, refers)


def answered(beginning: bytes) -> Text:
    """Return the text of a response."""
    text = beginning.decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if not _REPEATS.search(line)] if "data:" in text else [text]
    found: list[str] = []
    binary = 0
    for line in lines:
        values, skipped = _values(line, _OUTPUT)
        found += values
        binary += skipped
    return Text("".join(found), 0, len(beginning) - binary)


def _values(text: str, keys: frozenset[str] | None) -> tuple[list[str], int]:
    """Return the strings that count, and how many bytes were no text at all."""
    found: list[str] = []
    binary, key, end = 0, "", 0
    for match in _LITERAL.finditer(text):
        end = match.end()
        if match.group(2):
            key = match.group(1)
            continue
        binary += _take(found, match.group(1), key, keys)
    rest = _OPEN.search(text, end)
    if rest is not None:
        binary += _take(found, rest.group(1), key, keys)
    return found, binary


def _take(found: list[str], literal: str, key: str, keys: frozenset[str] | None) -> int:
    if key in _NO_TEXT if keys is None else key not in keys:
        return 0
    if len(literal) >= 256 and (_DATA_URL.match(literal) or _BINARY.fullmatch(literal)):
        return len(literal)
    if "\\" in literal:
        try:
            literal = json.loads(f'"{literal}"', strict=False)
        except ValueError:
            literal = literal.replace("\\", "")
    found.append(literal)
    return 0
