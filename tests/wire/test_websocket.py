"""Cutting a WebSocket into messages: any split, any framing wsproto makes, bounded memory."""

from __future__ import annotations

import random
import time
import tracemalloc
import zlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason, FrameProtocol

from farebox.wire.framing import websocket
from farebox.wire.framing.websocket import Agreement, Deflate, Messages


def sender(*, client: bool, offer: str | None) -> FrameProtocol:
    extensions: list[PerMessageDeflate] = []
    if offer is not None:
        extension = PerMessageDeflate()
        if client:
            extension.finalize(offer)
        else:
            extension.accept(offer)
        extensions = [extension]
    return FrameProtocol(client=client, extensions=list(extensions))


def read(
    data: bytes, cuts: list[int], *, client: bool, deflate: Deflate | None
) -> tuple[list[bytes], Messages]:
    found: list[bytes] = []
    reader = Messages(found.append, masked=client, deflate=deflate)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        reader.feed(data[start:end])
    return found, reader


@settings(max_examples=200, deadline=None)
@given(
    messages=st.lists(st.binary(max_size=3000), max_size=6),
    client=st.booleans(),
    offer=st.sampled_from((None, "permessage-deflate", "permessage-deflate; client_no_context_takeover",
                           "permessage-deflate; server_no_context_takeover",
                           "permessage-deflate; client_max_window_bits=10; server_max_window_bits=10")),
    cuts=st.lists(st.integers(min_value=0, max_value=1 << 20), max_size=12),
    seed=st.integers(0, 1000),
)  # fmt: skip
def test_whatever_another_implementation_frames_is_read(
    messages: list[bytes], client: bool, offer: str | None, cuts: list[int], seed: int
) -> None:
    rng = random.Random(seed)
    side = sender(client=client, offer=offer)
    data = b""
    for message in messages:
        middle = rng.randrange(len(message) + 1)
        if rng.random() < 0.5:
            data += side.send_data(message[:middle], fin=False) + side.ping(b"p")
            data += side.send_data(message[middle:], fin=True)
        else:
            data += side.send_data(message, fin=True)
    data += side.close(CloseReason.NORMAL_CLOSURE)
    agreed = Agreement(offer.encode() if offer else None)
    deflate = agreed.from_client if client else agreed.from_server
    found, reader = read(data, cuts, client=client, deflate=deflate)
    assert (found, reader.problem, reader.closed) == (messages, None, True)


@pytest.mark.parametrize(
    "data",
    [
        b"\x83\x00",  # no such opcode
        b"\xa1\x00",  # a reserved bit
        b"\xc1\x00",  # compressed, and nobody agreed to that
        b"\x80\x00",  # goes on with nothing
        b"\x01\x00\x01\x00",  # a message in a message
        b"\x09\x00",  # a ping in pieces
        b"\x89\x7e\x00\x80",  # a ping that is too long
        b"\x81\x80\x00\x00\x00\x00",  # a server that masks
    ],
)
def test_what_breaks_the_framing_ends_the_reading(data: bytes) -> None:
    found, reader = read(data + b"\x81\x01x", [1], client=False, deflate=None)
    assert (found, reader.problem) == ([], "websocket_framing")


def test_a_long_message_is_stepped_over_and_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "MESSAGE_BYTES_MAX", 1000)
    side = sender(client=True, offer=None)
    data = side.send_data(b"x" * 5000, fin=True) + side.send_data(b"next", fin=True)
    assert read(data, [77, 3000], client=True, deflate=None)[0] == [b"next"]


def test_a_bomb_is_given_up_before_it_is_unpacked() -> None:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = squeeze.compress(bytes(256 << 20)) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    frame = b"\xc1\x7f" + (len(packed) - 4).to_bytes(8, "big") + packed[:-4]
    tracemalloc.start()
    started = time.process_time()
    found, reader = read(frame, [100, 70_000], client=False, deflate=Deflate())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found, reader.problem) == ([], "websocket_message_too_large")
    assert peak < 40 << 20
    assert time.process_time() - started < 5


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=400), client=st.booleans())
def test_no_bytes_make_it_fail(data: bytes, client: bool) -> None:
    read(data, [7, 19, 100], client=client, deflate=Deflate())


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (None, None), (b"", None), (b"permessage-deflate", None), (b"x-other", "websocket_extension"),
        (b"permessage-deflate, permessage-deflate", "websocket_extension"),
        (b"permessage-deflate; odd=1", "websocket_extension"),
        (b'permessage-deflate; server_max_window_bits="12"', None),
    ],
)  # fmt: skip
def test_extensions_that_are_not_known_are_said(said: bytes | None, problem: str | None) -> None:
    assert Agreement(said).problem == problem
