"""AWS event streams: whole however they are cut, checked, bounded."""

from __future__ import annotations

import random
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire import frames

from farebox.wire.framing import eventstream
from farebox.wire.framing.eventstream import EventStream, is_event_stream

Taken = list[tuple[str, str, bytes]]


def read(pieces: list[bytes]) -> tuple[Taken, EventStream]:
    taken: Taken = []
    stream = EventStream(lambda kind, name, payload: taken.append((kind, name, payload)))
    for piece in pieces:
        stream.feed(piece)
    return taken, stream


STREAM = (
    frames.event("messageStart", b'{"role":"assistant"}')
    + frames.event("contentBlockDelta", b"{}" * 3000)
    + frames.event("throttlingException", b"{}", kind="exception")
    + frames.event("internalError", b"", kind="error")
)
WHOLE: Taken = [
    ("event", "messageStart", b'{"role":"assistant"}'),
    ("event", "contentBlockDelta", b"{}" * 3000),
    ("exception", "throttlingException", b"{}"),
    ("error", "internalError", b""),
]


def test_every_single_cut_gives_the_same_messages() -> None:
    for cut in range(len(STREAM) + 1):
        taken, stream = read([STREAM[:cut], STREAM[cut:]])
        assert taken == WHOLE
        assert stream.problem is None
        assert stream.between_messages


@given(st.lists(st.integers(1, 400), max_size=40), st.integers(0, 2**32))
def test_any_split_gives_the_same_messages(sizes: list[int], seed: int) -> None:
    rng = random.Random(seed)
    pieces: list[bytes] = []
    position = 0
    while position < len(STREAM):
        size = rng.choice(sizes or [7])
        pieces.append(STREAM[position : position + size])
        position += size
    assert read(pieces)[0] == WHOLE


@given(st.integers(0, len(STREAM) - 1), st.integers(1, 255))
def test_a_flipped_byte_ends_the_reading_and_is_never_handed_on(place: int, flip: int) -> None:
    broken = bytearray(STREAM)
    broken[place] ^= flip
    taken, stream = read([bytes(broken)])
    assert taken == WHOLE[: len(taken)]
    assert len(taken) < len(WHOLE)
    assert stream.problem is not None or not stream.between_messages


def test_a_message_that_is_too_large_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventstream, "MESSAGE_BYTES_MAX", 1000)
    for size in (1, 100, 5000, len(STREAM)):
        taken, stream = read([STREAM[at : at + size] for at in range(0, len(STREAM), size)])
        assert taken == [WHOLE[0], *WHOLE[2:]]
        assert stream.problem == "event_too_large"


def test_headers_of_every_type_are_stepped_over() -> None:
    headers = (
        b"\x01a\x00\x01b\x01\x01c\x02\x00\x01d\x03\x00\x00\x01e\x04\x00\x00\x00\x00\x01f\x05"
        + b"\x00" * 8
        + b"\x01g\x06\x00\x02xy\x01h\x08"
        + b"\x00" * 8
        + b"\x01i\x09"
        + b"\x00" * 16
        + b"\x0b:event-type\x07\x00\x04last"
    )
    head = struct.pack(">II", 16 + len(headers), len(headers))
    message = head + struct.pack(">I", zlib.crc32(head)) + headers
    taken, _ = read([message + struct.pack(">I", zlib.crc32(message))])
    assert taken == [("event", "last", b"")]


def test_the_first_twelve_bytes_tell_an_event_stream() -> None:
    assert is_event_stream(STREAM[:12])
    assert not is_event_stream(STREAM[:11])
    assert not is_event_stream(b'{"usage": {}}')
