"""gRPC framing and the few protobuf fields that are read."""

from __future__ import annotations

import contextlib
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire import frames

from farebox.catalog.shape import ProtoField
from farebox.wire.framing import grpc
from farebox.wire.framing.grpc import GrpcMessages
from farebox.wire.framing.protobuf import ProtobufError, read_message

SCHEMA = {
    1: ProtoField("id", "text"),
    2: ProtoField("usage", "message", fields={1: ProtoField("out"), 11: ProtoField("ticks")}),
    3: ProtoField("tools", "enums", values={1: "search"}),
    4: ProtoField("tier", "enum", values={0: "default"}),
}


def messages(pieces: list[bytes]) -> tuple[list[bytes], GrpcMessages]:
    taken: list[bytes] = []
    reader = GrpcMessages(taken.append)
    for piece in pieces:
        reader.feed(piece)
    return taken, reader


def test_every_single_cut_gives_the_same_messages() -> None:
    body = frames.grpc(b"one") + frames.grpc(b"") + frames.grpc(b"x" * 70_000)
    for cut in (*range(30), 4_000, len(body) - 1, len(body)):
        taken, reader = messages([body[:cut], body[cut:]])
        assert taken == [b"one", b"", b"x" * 70_000]
        assert reader.between_messages


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_compressed_message_is_unpacked(pack: object) -> None:
    assert callable(pack)
    assert messages([frames.grpc(pack(b"text"), flags=1)])[0] == [b"text"]  # pyright: ignore[reportUnknownArgumentType]


def test_a_message_that_unpacks_too_far_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc, "MESSAGE_BYTES_MAX", 1000)
    taken, reader = messages([frames.grpc(gzip.compress(b"0" * 100_000), flags=1), frames.grpc(b"next")])
    assert taken == [b"next"]
    assert reader.problem == "content_encoding_broken"


def test_a_message_that_is_too_large_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc, "MESSAGE_BYTES_MAX", 1000)
    body = frames.grpc(b"x" * 1001) + frames.grpc(b"next")
    for size in (1, 7, 500, len(body)):
        taken, reader = messages([body[at : at + size] for at in range(0, len(body), size)])
        assert taken == [b"next"]
        assert reader.problem == "message_too_large"


def test_named_fields_are_read_and_others_stepped_over() -> None:
    message = frames.protobuf({1: "id-1", 2: {1: 7, 5: "unknown", 11: -1}, 3: [1, 9, 1], 4: 0, 77: 5})
    fixed = bytes([9 << 3 | 1]) + b"\0" * 8 + bytes([10 << 3 | 5]) + b"\0" * 4
    assert read_message(message + fixed, SCHEMA) == {
        "id": "id-1",
        "usage": {"out": 7, "ticks": -1},
        "tools": [{"value": "search"}, {"value": "other"}, {"value": "search"}],
        "tier": "default",
    }


def test_a_message_that_comes_in_two_pieces_is_one() -> None:
    two = frames.protobuf({2: {1: 7}}) + frames.protobuf({2: {11: 8}})
    assert read_message(two, SCHEMA) == {"usage": {"out": 7, "ticks": 8}}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(ProtobufError):
        read_message(data, SCHEMA)


def test_a_message_nested_without_end_is_refused() -> None:
    schema: dict[int, ProtoField] = {}
    schema[1] = ProtoField("again", "message", fields=schema)
    data = b""
    for _ in range(100):
        data = b"\x0a" + frames.varint(len(data)) + data
    with pytest.raises(ProtobufError):
        read_message(data, schema)
