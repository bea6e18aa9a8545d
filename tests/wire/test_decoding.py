"""Content encodings are undone piece by piece, and a bomb is stopped."""

from __future__ import annotations

import gzip
import random
import zlib

import brotli
import pytest
import zstandard

from farebox.wire.http.decoding import DecodeError, Decoder


def _raw_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


ENCODED = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate raw": _raw_deflate,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip members": lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:]),
    "zstd frames": lambda data: zstandard.compress(data[:100]) + zstandard.compress(data[100:]),
}


@pytest.mark.parametrize("name", ENCODED)
def test_any_split_decodes_to_the_same_bytes(name: str) -> None:
    rng = random.Random(name)
    text = bytes(rng.choices(b'usage tokens {}:,"0123456789', k=30_000))
    encoded = ENCODED[name](text)
    for _ in range(30):
        decoder = Decoder(name.partition(" ")[0])
        decoded = b""
        position = 0
        while position < len(encoded):
            size = rng.choice((1, 5, 100, 3000))
            decoded += b"".join(decoder.feed(encoded[position : position + size]))
            position += size
        assert decoded == text


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_stops_at_the_limit_in_small_steps(name: str) -> None:
    bomb = ENCODED[name](b"\0" * (64 << 20))
    decoder = Decoder(name, limit=1 << 20)
    total = 0
    largest = 0
    for start in range(0, len(bomb), 4096):
        for piece in decoder.feed(bomb[start : start + 4096]):
            total += len(piece)
            largest = max(largest, len(piece))
    assert decoder.overflowed
    assert total <= 1 << 20
    assert largest <= 17 << 20


@pytest.mark.parametrize("name", ["gzip", "br", "zstd"])
def test_what_is_not_encoded_so_is_an_error(name: str) -> None:
    decoder = Decoder(name)
    with pytest.raises(DecodeError):
        for _ in decoder.feed(b'{"usage": {"prompt_tokens": 1}}' * 10):
            pass
