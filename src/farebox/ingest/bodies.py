"""Cut a request's body into items, each of them the JSON text of one event.

JSON (one event, or an array), NDJSON, CloudEvents 1.0 (structured, batch and binary). Nothing here looks into
an event: one that is malformed must not hurt its neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from farebox.ingest.cloud_events import flat_text, flat_text_of_binary
from farebox.ingest.limits import IngestLimits
from farebox.ingest.refused_body import BodyRefusedError
from farebox.wire.http.decoding import DecodeError, Decoder, encoding_of, supported

Headers = Sequence[tuple[bytes, bytes]]

JSON = "application/json"
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
CLOUD_EVENT = "application/cloudevents+json"
CLOUD_EVENTS = "application/cloudevents-batch+json"
CONTENT_TYPES = (JSON, NDJSON[0], CLOUD_EVENT, CLOUD_EVENTS)

_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
"""Strings, one without an end included: looked for again at each of its quotes, it would take for ever."""


class Items(NamedTuple):
    """What a body holds."""

    texts: list[bytes]
    """The JSON of each event, in order; what is wrong with it is found out when it is read."""
    is_single: bool = False
    """The body was one event and no list."""
    flat: Callable[[bytes], bytes] | None = None
    """Makes the flat form of a text; None where it has that form."""
    others: Mapping[str, int] = {}
    """What else a body of telemetry held, by name: it is counted, and makes no record."""


def read_body(headers: Headers, body: bytes, limits: IngestLimits) -> Items:
    """Return the events of a request's body.

    Raises:
        BodyRefusedError: It cannot be read, or is over a limit.
    """
    kind = _content_type(headers)
    body = unpacked(headers, body, limits).removeprefix(_BOM)
    if any(name == b"ce-specversion" for name, _ in headers):
        return Items([body], is_single=True, flat=partial(flat_text_of_binary, headers))
    if kind in NDJSON:
        items = Items(_lines(body, limits))
    elif kind == CLOUD_EVENT:
        items = Items([body], is_single=True, flat=flat_text)
    elif kind == CLOUD_EVENTS:
        items = Items(split_array(body, limits), flat=flat_text)
    elif body.lstrip(_SPACE)[:1] == b"[":
        items = Items(split_array(body, limits))
    else:
        items = Items([body], is_single=True)
        if body.strip(_SPACE)[:1] != b"{":
            raise BodyRefusedError(400, "body_malformed", "The body is neither a JSON object nor an array.")
    return items


def unpacked(headers: Headers, body: bytes, limits: IngestLimits) -> bytes:
    """Return a body without its content encoding.

    Raises:
        BodyRefusedError: It is none that is understood, or unpacks to more than the limit.
    """
    encoding = encoding_of(headers)
    if not encoding:
        return body
    if not supported(encoding):
        raise BodyRefusedError(415, "encoding_unknown", "Content-Encoding is gzip, zstd, br or deflate.")
    decoder, pieces, size = Decoder(encoding), list[bytes](), 0
    try:
        for piece in decoder.feed(body):
            size += len(piece)
            if size > limits.unpacked_bytes_max:
                break
            pieces.append(piece)
    except DecodeError:
        raise _not_as_encoded(encoding) from None
    if size > limits.unpacked_bytes_max or decoder.overflowed:
        raise BodyRefusedError(
            413, "body_too_large", f"A body unpacks to at most {limits.unpacked_bytes_max} bytes."
        )
    if not decoder.is_whole:  # events at its end would be missing without a word
        raise _not_as_encoded(encoding)
    return b"".join(pieces)


def _not_as_encoded(encoding: str) -> BodyRefusedError:
    return BodyRefusedError(
        400, "body_malformed", f"The body is not what Content-Encoding says, or not all of it: {encoding}."
    )


def split_array(body: bytes, limits: IngestLimits) -> list[bytes]:
    """Return the elements of a JSON array, whatever is inside them.

    Raises:
        BodyRefusedError: It is no array, or where its elements end cannot be told.
    """
    try:
        texts = [bytes(raw) for raw in _decode_array(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # One element is malformed, or deeper than a parser follows: the others are found by their brackets.
        texts = _split_by_brackets(body)
    return _counted(texts, limits)


_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def _split_by_brackets(body: bytes) -> list[bytes]:
    body = body.strip(_SPACE)
    texts: list[bytes] = []
    depth, start = 0, 1
    for token in _TOKENS.finditer(body):
        byte = token[0]
        if byte in (b"[", b"{"):
            depth += 1
        elif byte in (b"]", b"}"):
            depth -= 1
            if depth == 0 and token.end() == len(body) and body[:1] == b"[" and byte == b"]":
                last = body[start : token.start()]
                return [*texts, last] if texts or last.strip(_SPACE) else texts
            if depth < 1:
                break
        elif byte == b"," and depth == 1:
            texts.append(body[start : token.start()])
            start = token.end()
    raise BodyRefusedError(400, "body_malformed", "The body is not a JSON array.")


def _lines(body: bytes, limits: IngestLimits) -> list[bytes]:
    return _counted([line for line in body.split(b"\n") if line.strip(_SPACE)], limits)


def _counted(texts: list[bytes], limits: IngestLimits) -> list[bytes]:
    if len(texts) > limits.items_max:
        raise BodyRefusedError(
            413, "too_many_items", f"A body holds at most {limits.items_max} events, this one {len(texts)}."
        )
    return texts


def media_type(headers: Headers) -> str:
    """Return the media type of a body, "" where it is not said, said twice, or not of UTF-8."""
    values = [value for name, value in headers if name == b"content-type"]
    said = values[0].decode("latin-1") if len(values) == 1 else ""
    media, _, rest = said.partition(";")
    charset = re.search(r'charset\s*=\s*"?([^\s;"]+)', rest, re.IGNORECASE)
    return "" if charset and charset[1].lower() not in ("utf-8", "utf8") else media.strip().lower()


def _content_type(headers: Headers) -> str:
    kind = media_type(headers)
    if kind not in (*CONTENT_TYPES, *NDJSON):
        raise BodyRefusedError(
            415, "content_type_unknown", f"Content-Type is one of {', '.join(CONTENT_TYPES)}, in UTF-8."
        )
    return kind
