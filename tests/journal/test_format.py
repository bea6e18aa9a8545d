from __future__ import annotations

import mmap
import random
from pathlib import Path

from farebox.journal.format import (
    HEADER_BYTES,
    RECORD_HEAD_BYTES,
    Header,
    decode_header,
    decode_record,
    encode_header,
    encode_record,
    find_record,
    reseal,
    segment_seed,
)

SEED = segment_seed("proxy-1", 1)


def test_a_header_reads_back() -> None:
    header = Header("proxy-0193abcd", 42, 1_780_000_000_000_000_000)
    assert len(encode_header(header)) == HEADER_BYTES
    assert decode_header(encode_header(header)) == header


def test_a_header_with_any_byte_changed_is_refused() -> None:
    good = encode_header(Header("proxy-1", 1, 2))
    for at in range(HEADER_BYTES):
        bad = bytearray(good)
        bad[at] ^= 0x40
        assert decode_header(bytes(bad)) is None, at


def test_a_record_reads_back() -> None:
    record = decode_record(SEED, encode_record(SEED, 7, 3, b"hello"), 0)
    assert record is not None
    assert (record.seq, record.type, record.payload, record.end) == (7, 3, b"hello", 32)


def test_a_record_with_any_bit_changed_is_refused() -> None:
    good = encode_record(SEED, 7, 3, b"some payload of a record")
    for at in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[at] ^= 1 << bit
            assert decode_record(SEED, bytes(bad) + bytes(4096), 0) is None, (at, bit)


def test_a_record_of_another_segment_is_refused_until_it_is_sealed_anew() -> None:
    other = segment_seed("proxy-1", 2)
    record = encode_record(SEED, 7, 3, b"payload")
    assert decode_record(other, record, 0) is None
    moved = decode_record(other, reseal(other, record), 0)
    assert moved is not None and moved.payload == b"payload"


def test_the_next_record_is_found_behind_rubbish_that_looks_like_one() -> None:
    rng = random.Random(5)
    record = encode_record(SEED, 9, 3, b"found")
    rubbish = bytearray(rng.randbytes(800))
    rubbish[RECORD_HEAD_BYTES - 3 : RECORD_HEAD_BYTES] = b"\xfa\x5e\xb0"
    assert find_record(SEED, bytes(rubbish) + record, 0) == 800
    assert find_record(SEED, bytes(rubbish), 0) is None


def test_looking_for_a_record_ends_at_the_end_of_a_map(tmp_path: Path) -> None:
    """`mmap.find` of some Pythons reads on, and the process dies of it."""
    file = tmp_path / "segment"
    record = encode_record(7, 1, 1, b"payload")
    size = 64 * mmap.PAGESIZE
    with file.open("w+b") as opened:
        opened.truncate(size)
        with mmap.mmap(opened.fileno(), size) as data:
            assert all(find_record(7, data, at) is None for at in range(0, size, 1_000))
            last = size - (len(record) + 7 & -8)
            for at in (64, 65_536 - 24, 65_536 - 16, 131_072, last):
                data[:] = bytes(size)
                data[at : at + len(record)] = record
                assert find_record(7, data, 0) == at
                assert find_record(7, data, at) == at
                assert find_record(7, data, at + 1) is None
