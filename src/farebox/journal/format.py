"""How a segment looks on disk. Pure: bytes in, bytes out.

A segment is a header of 64 bytes and then records, each at a multiple of 8. A record is ::

    size u32 · crc u32 · seq u64 · type u8 · magic "\xfa\x5e\xb0" · payload · zeros up to 8

`size` counts everything but the padding, so it is never zero, and a zero means "nothing here
yet". The checksum is `zlib.crc32` and not crc32c: both find every burst of up to 32 bits, and
zlib's is in the standard library in C. It is seeded with the segment's name and the size, and
covers the sequence number, so a record of another segment never passes for one of this.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from typing import NamedTuple

Bytes = bytes | mmap.mmap

HEADER_BYTES = 64
RECORD_HEAD_BYTES = 20
PAYLOAD_BYTES_MAX = 1 << 20
RECORD_BYTES_MAX = RECORD_HEAD_BYTES + PAYLOAD_BYTES_MAX
MAGIC = b"\xfa\x5e\xb0"
MAGIC_AT = 17
_PIECE_BYTES = 1 << 16

_SEGMENT_MAGIC = b"FAREJRNL"
_VERSION = 1
_SEGMENT = struct.Struct("<8sHHI32sQQ")  # magic, version, header bytes, crc, writer, first seq, created
_FRONT = struct.Struct("<II")
_BODY = struct.Struct("<QB3s")
_WHOLE = struct.Struct("<IIQB3s")

_pack_front = _FRONT.pack
_pack_body = _BODY.pack
_crc32 = zlib.crc32


class Header(NamedTuple):
    """The first 64 bytes of a segment."""

    writer: str
    first_seq: int
    created_ns: int


class Record(NamedTuple):
    """One record as read: `end` is where the next one starts."""

    seq: int
    type: int
    payload: bytes
    end: int


def segment_name(number: int) -> str:
    """Return the file name of a writer's segment `number`, counted from 1."""
    return f"{number:08d}.seg"


def segment_seed(writer: str, number: int) -> int:
    """Return what every checksum of this segment starts from."""
    return zlib.crc32(f"{writer}/{number}".encode())


def encode_header(header: Header) -> bytes:
    """Return a segment's first 64 bytes."""
    writer = header.writer.encode()[:32]
    blank = _SEGMENT.pack(
        _SEGMENT_MAGIC, _VERSION, HEADER_BYTES, 0, writer, header.first_seq, header.created_ns
    )
    check = zlib.crc32(blank)
    return _SEGMENT.pack(
        _SEGMENT_MAGIC, _VERSION, HEADER_BYTES, check, writer, header.first_seq, header.created_ns
    )


def decode_header(data: Bytes) -> Header | None:
    """Return the header in `data`, None where it is damaged or of another version."""
    if len(data) < HEADER_BYTES:
        return None
    magic, version, size, check, writer, first_seq, created_ns = _SEGMENT.unpack_from(data)
    if magic != _SEGMENT_MAGIC or version != _VERSION or size != HEADER_BYTES:
        return None
    blank = _SEGMENT.pack(magic, version, size, 0, writer, first_seq, created_ns)
    if zlib.crc32(blank) != check:
        return None
    return Header(writer.rstrip(b"\0").decode(errors="replace"), first_seq, created_ns)


def encode_record(seed: int, seq: int, record_type: int, payload: bytes) -> bytes:
    """Return a record ready to be stored. The padding is not part of it: segments are zeros."""
    size = RECORD_HEAD_BYTES + len(payload)
    covered = _pack_body(seq, record_type, MAGIC) + payload
    return _pack_front(size, _crc32(covered, seed ^ size)) + covered


def reseal(seed: int, record: bytes) -> bytes:
    """Return a stored record with the checksum it needs in another segment."""
    size = len(record)
    return _pack_front(size, _crc32(record[8:], seed ^ size)) + record[8:]


def stored_seq(record: bytes) -> int:
    """Return the sequence number of a stored record."""
    return int.from_bytes(record[8:16], "little")


def stored_type(record: bytes) -> int:
    """Return the type of a stored record."""
    return record[16]


def decode_record(seed: int, data: Bytes, at: int) -> Record | None:
    """Return the whole and undamaged record at `at`, else None."""
    if at + RECORD_HEAD_BYTES > len(data):
        return None
    size, check, seq, record_type, magic = _WHOLE.unpack_from(data, at)
    end = at + size
    if magic != MAGIC or not RECORD_HEAD_BYTES <= size <= RECORD_BYTES_MAX or end > len(data):
        return None
    if _crc32(data[at + 8 : end], seed ^ size) != check:
        return None
    return Record(seq, record_type, bytes(data[at + RECORD_HEAD_BYTES : end]), end + (-size & 7))


def find_record(seed: int, data: bytes | mmap.mmap, at: int) -> int | None:
    """Return where the next undamaged record at or after `at` starts, None if there is none."""
    magic_at = _find_magic(data, at + MAGIC_AT)
    while magic_at >= 0:
        start = magic_at - MAGIC_AT
        if not start & 7 and decode_record(seed, data, start) is not None:
            return start
        magic_at = _find_magic(data, magic_at + 1)
    return None


def _find_magic(data: bytes | mmap.mmap, at: int) -> int:
    """Return where the next magic is, -1 if there is none.

    Piece by piece: Python 3.11's `mmap.find` reads beyond the end of the map, which ends the process.
    """
    for start in range(at, len(data), _PIECE_BYTES):
        found = data[start : start + _PIECE_BYTES + len(MAGIC) - 1].find(MAGIC)
        if found >= 0:
            return start + found
    return -1
