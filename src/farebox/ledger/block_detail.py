"""The part of rows that is only read call by call, stored in blocks: records and ratings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from farebox.errors import LedgerError
from farebox.ledger.database import Connection

_PLAIN, _ZSTD = b"\0", b"\1"
_COMPRESSED_BYTES_MIN = 4_000
_COMPRESSION_LEVEL = -1
"""Takes less time than writing the bytes it saves; higher levels save a tenth more."""
_UNPACKED_BYTES_MAX = 1 << 28

_AROUND = "SELECT first_seq, last_seq, detail FROM block WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1"

_encode = msgspec.msgpack.Encoder(decimal_format="string").encode


class Detail(msgspec.Struct, array_like=True):
    """What a block has beside its rows: for each its record, its rating, and four bytes that find it."""

    records: list[bytes]
    ratings: list[msgspec.Raw]
    checksums: bytes


_decode = msgspec.msgpack.Decoder(Detail).decode


def encode_detail(records: Sequence[bytes], ratings: Sequence[Any], checksums: bytes) -> bytes:
    """Return what a block stores beside its rows, compressed where there is enough of it."""
    import zstandard

    data = _encode((records, ratings, checksums))
    if len(data) < _COMPRESSED_BYTES_MIN:
        return _PLAIN + data

    return _ZSTD + zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL).compress(data)


def decode_detail(detail: bytes) -> Detail:
    """Return what `encode_detail` was given.

    Raises:
        LedgerError: It cannot be decoded.
    """
    try:
        return _decode(unpacked(detail))
    except msgspec.MsgspecError as error:
        raise LedgerError(f"a block of calls is not as it was written: {error}") from error


class Details:
    """Records and ratings of single rows; the block that was looked into last is kept."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._first, self._last = 1, 0
        self._records: list[bytes] = []
        self._ratings: list[msgspec.Raw] = []

    def of(self, seq: int) -> tuple[bytes, bytes]:
        """Return the record and the encoded rating of a row.

        Raises:
            LedgerError: It has none, or its block cannot be decoded.
        """
        if not self._first <= seq <= self._last:
            row = self._connection.execute(_AROUND, (seq,)).fetchone()
            if row is None or row[1] < seq:
                raise LedgerError(f"row {seq} has no block; run farebox verify")
            found = decode_detail(row[2])
            self._records, self._ratings = found.records, found.ratings
            self._first, self._last = row[:2]
        at = seq - self._first
        if at >= len(self._records) or at >= len(self._ratings):
            raise LedgerError(f"row {seq} is not in its block; run farebox verify")
        return self._records[at], bytes(self._ratings[at])


def unpacked(detail: bytes) -> bytes:
    """Return a block's detail without its compression.

    Raises:
        LedgerError: It is not as it was written.
    """
    if detail[:1] == _PLAIN:
        return detail[1:]
    import zstandard

    try:
        if detail[:1] != _ZSTD or zstandard.frame_content_size(detail[1:]) > _UNPACKED_BYTES_MAX:
            raise LedgerError("a block of calls is not as it was written")
        # One for each block: a decompressor must not serve two threads at once, and readers are shared.
        return zstandard.ZstdDecompressor().decompress(detail[1:])
    except zstandard.ZstdError as error:
        raise LedgerError(f"a block of calls is not as it was written: {error}") from error
