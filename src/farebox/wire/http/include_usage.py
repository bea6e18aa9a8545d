"""Ask for usage in a stream whose client did not, and take the extra chunk out again.

`inject` changes nothing but `stream_options.include_usage`; the filter removes nothing but the one
chunk with usage and without choices. Both leave alone what they do not understand.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from farebox.wire.framing.largejson import JsonPruner, repaired, wanted

_HELD_MAX = 64 * 1024
_END_OF_EVENT = re.compile(rb"(?:\r\n|\n|\r(?=[^\n])){2}")
_NO_CHOICES = re.compile(rb'"choices"(?:\s|data:)*+:(?:\s|data:)*+\[(?:\s|data:)*+\]')
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},:]', re.DOTALL)
_OPTION = b'"stream_options":{"include_usage":true}'
_KEEP = wanted(("stream_options",))
OPTIONS = b"stream_options"
"""Without this nowhere in it, a request has no options yet."""


class _Options(msgspec.Struct):
    stream_options: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Chunk(msgspec.Struct):
    choices: Any = None
    usage: Any = None


_decode_options = msgspec.json.Decoder(_Options).decode
_decode_chunk = msgspec.json.Decoder(_Chunk).decode


def inject(body: bytes) -> bytes:
    """Return a JSON request that asks for usage; every other byte stays what and where it was."""
    try:
        options = _options(body)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return body
    if isinstance(options, msgspec.UnsetType):
        end = body.rfind(b"}")
        separator = b"" if body[:end].rstrip().endswith(b"{") else b","
        return body[:end] + separator + _OPTION + body[end:]
    span = _value_span(body, b'"stream_options"')
    if span is None:
        return body
    start, end = span
    return body[:start] + _with_usage(body[start:end]) + body[end:]


def _options(body: bytes) -> msgspec.Raw | msgspec.UnsetType:
    """Return a request's `stream_options`; what nobody reads in it may be wrong (half a surrogate, `NaN`)."""
    try:
        return _decode_options(body).stream_options
    except (msgspec.MsgspecError, RecursionError, ValueError):
        text = body.rstrip()
        pruner = JsonPruner(_KEEP)
        pruner.feed(text[:-1])
        if pruner.closed:
            raise  # more follows, and it would go there
        pruner.feed(text[-1:])
        return _decode_options(repaired(pruner.result() if pruner.closed else b"")).stream_options


def inject_at_end(last: bytes) -> bytes | None:
    """Return the last piece of a JSON request that has no options yet and is not empty, asking for usage.

    None where the piece does not hold the end of an object: the request has to be taken as a whole.
    """
    end = len(last.rstrip()) - 1
    if last[end : end + 1] != b"}":
        return None
    return last[:end] + b"," + _OPTION + last[end:]


def _with_usage(options: bytes) -> bytes:
    """Return a stream_options value with include_usage on."""
    if options.strip()[:1] != b"{":
        return b'{"include_usage":true}'
    span = _value_span(options, b'"include_usage"')
    if span is not None:
        return options[: span[0]] + b"true" + options[span[1] :]
    end = options.rfind(b"}")
    separator = b"" if options[:end].rstrip().endswith(b"{") else b","
    return options[:end] + separator + b'"include_usage":true' + options[end:]


def _value_span(text: bytes, key: bytes) -> tuple[int, int] | None:
    """Return where the value of an object's top-level `key` starts and ends, the last one's."""
    depth = 0
    expecting_key = False
    found: tuple[int, int] | None = None
    start: int | None = None
    matched = False
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token in (b"{", b"["):
            depth += 1
            expecting_key = depth == 1
        elif depth == 1 and token == b":" and matched and start is None:
            start = match.end()
        elif depth == 1 and token in (b",", b"}"):
            if start is not None:
                found = (start, match.start())
            start, matched, expecting_key = None, False, True
            depth -= token == b"}"
        elif token in (b"}", b"]"):
            depth -= 1
        elif depth == 1 and expecting_key and token[:1] == b'"':
            matched, expecting_key = token == key, False
    if found is None:
        return None
    value = text[found[0] : found[1]]
    lead = len(value) - len(value.lstrip())
    return found[0] + lead, found[1] - (len(value) - len(value.rstrip()))


class UsageChunkFilter:
    """Pass a stream on event by event, without the usage chunk nobody asked for."""

    __slots__ = ("_held", "removed")

    def __init__(self) -> None:
        self._held = b""
        self.removed = False

    def feed(self, data: bytes) -> bytes:
        """Return what may be sent on now: every complete event, unless it is the extra one."""
        text = self._held + data if self._held else data
        end = last_end(text)
        if end < len(text):
            rest = text[end:]
            if len(rest) > _HELD_MAX:
                end = len(text)  # far too large for a usage chunk: no reason to keep it waiting
                rest = b""
            self._held = rest
            text = text[:end]
        else:
            self._held = b""
        if _NO_CHOICES.search(text) is None:
            return text
        return self._without_usage(text)

    def end(self) -> bytes:
        """Return what is left when the stream is over."""
        rest, self._held = self._held, b""
        if rest and _is_usage_chunk(rest):
            self.removed = True
            return b""
        return rest

    def _without_usage(self, text: bytes) -> bytes:
        kept: list[bytes] = []
        position = 0
        while position < len(text):
            match = _END_OF_EVENT.search(text, position)
            end = match.end() if match else len(text)
            event = text[position:end]
            if _is_usage_chunk(event):
                self.removed = True
            else:
                kept.append(event)
            position = end
        return b"".join(kept)


def last_end(text: bytes) -> int:
    """Return where the last complete event of `text` ends, 0 where there is none."""
    if text.endswith((b"\n\n", b"\r\n\r\n")):
        return len(text)
    cut = max(text.rfind(b"\n\n"), text.rfind(b"\r\n\r\n"))
    if cut >= 0:
        return cut + (4 if text.startswith(b"\r\n\r\n", cut) else 2)
    cut = text.rfind(b"\r\r")
    return cut + 2 if 0 <= cut < len(text) - 2 else 0


def _is_usage_chunk(event: bytes) -> bool:
    if _NO_CHOICES.search(event) is None or b'"usage"' not in event:
        return False
    lines = event.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    data = b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))
    try:
        chunk = _decode_chunk(data)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return False
    return chunk.choices == [] and isinstance(chunk.usage, dict)
