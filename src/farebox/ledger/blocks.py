"""Calls that are appended together: narrow rows, and one block of what is read only of single calls.

A block holds the journal's records as they came and what was decided about them, compressed
together: records of one proxy are much alike. Its digest covers every value of its calls, so that a
link of the chain is made of few bytes, whoever computed the digest.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from farebox.errors import LedgerError
from farebox.ledger.database import Connection
from farebox.ledger.kinds import Kinds

CALL = (
    "event_id",
    "source",
    "occurred_at",
    "kind",
    "response_key",
    "user",
    "customer",
    "agent",
    "session",
    "project",
    "cost_pico",
    "charge_pico",
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
)
"""The columns of `call` but its number, in the order the digest is made over. There `source` is the
name and `kind` the values, and `response_key` lacks the run of calls."""

CALL_AT = {name: index for index, name in enumerate(CALL)}

RECORDS_BYTES_MAX = 1 << 20
"""More than this in one block takes too long to read when one of its calls is looked at."""

_PLAIN, _ZSTD = b"\0", b"\1"
_COMPRESSED_BYTES_MIN = 4_000
_COMPRESSION_LEVEL = -1
"""Faster than writing what it saves; higher levels save a tenth more."""
_UNPACKED_BYTES_MAX = 1 << 28

_SOURCE, _KIND = CALL_AT["source"], CALL_AT["kind"]
_AROUND = "SELECT first_seq, last_seq, detail FROM block WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1"

_canonical = msgspec.msgpack.Encoder().encode
_encode = msgspec.msgpack.Encoder(decimal_format="string").encode
_sha256 = hashlib.sha256


class Block(NamedTuple):
    """Calls on their way into the ledger: all but their numbers and the time of recording."""

    columns: list[Sequence[Any]]
    """As `CALL`, with the number of a kind among `Kinds`."""
    detail: bytes
    digest: bytes

    @property
    def calls(self) -> int:
        """How many there are."""
        return len(self.columns[0])


class _Detail(msgspec.Struct, array_like=True):
    """What `detail` holds of each call: the journal's record, and the rating (entries.py)."""

    records: list[bytes]
    ratings: list[msgspec.Raw]


_decode = msgspec.msgpack.Decoder(_Detail).decode


def blocks_of(
    rows: Sequence[tuple[Any, ...]], payloads: Sequence[bytes], ratings: Sequence[Any], kinds: Kinds
) -> Iterator[Block]:
    """Yield the blocks of calls, given as `CALL`, their records and ratings."""
    start = size = 0
    for end, payload in enumerate(payloads, 1):
        size += len(payload)
        if size >= RECORDS_BYTES_MAX or end == len(payloads):
            yield _block(rows[start:end], payloads[start:end], ratings[start:end], kinds)
            start, size = end, 0


def _block(
    rows: Sequence[tuple[Any, ...]], payloads: Sequence[bytes], ratings: Sequence[Any], kinds: Kinds
) -> Block:
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    detail = packed(_encode((payloads, ratings)))
    digest = digest_of(columns, detail)
    columns[_KIND] = list(map(kinds.__getitem__, columns[_KIND]))
    return Block(columns, detail, digest)


def digest_of(columns: Sequence[Sequence[Any]], detail: bytes) -> bytes:
    """Return the digest of a block: over its calls, whole kinds among their values, and its detail."""
    return _sha256(_canonical(columns) + detail).digest()


def packed(data: bytes) -> bytes:
    """Return `data` as it is stored: compressed where there is enough of it."""
    if len(data) < _COMPRESSED_BYTES_MIN:
        return _PLAIN + data
    return _ZSTD + _compressor().compress(data)


def unpacked(detail: bytes) -> bytes:
    """Return what `packed` was given.

    Raises:
        LedgerError: It was not made by `packed`.
    """
    if detail[:1] == _PLAIN:
        return detail[1:]
    import zstandard

    try:
        if detail[:1] != _ZSTD or zstandard.frame_content_size(detail[1:]) > _UNPACKED_BYTES_MAX:
            raise LedgerError("a block of calls is not as it was written")
        return _decompressor().decompress(detail[1:])
    except zstandard.ZstdError as error:
        raise LedgerError(f"a block of calls is not as it was written: {error}") from error


def opened(detail: bytes) -> tuple[list[bytes], list[msgspec.Raw]]:
    """Return the records and the ratings in a block's detail.

    Raises:
        LedgerError: Nothing can be made of it.
    """
    try:
        found = _decode(unpacked(detail))
    except msgspec.MsgspecError as error:
        raise LedgerError(f"a block of calls is not as it was written: {error}") from error
    return found.records, found.ratings


class Details:
    """Records and ratings of single calls; the block that was looked into last is kept."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._first, self._last = 1, 0
        self._records: list[bytes] = []
        self._ratings: list[msgspec.Raw] = []

    def of(self, seq: int) -> tuple[bytes, bytes]:
        """Return the journal's record and the rating of a call.

        Raises:
            LedgerError: It has none, or nothing can be made of its block.
        """
        if not self._first <= seq <= self._last:
            row = self._connection.execute(_AROUND, (seq,)).fetchone()
            if row is None or row[1] < seq:
                raise LedgerError(f"call {seq} has no block; run farebox verify")
            self._records, self._ratings = opened(row[2])
            self._first, self._last = row[:2]
        at = seq - self._first
        if at >= len(self._records) or at >= len(self._ratings):
            raise LedgerError(f"call {seq} is not in its block; run farebox verify")
        return self._records[at], bytes(self._ratings[at])


@functools.cache
def _compressor() -> Any:
    import zstandard

    return zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL)


@functools.cache
def _decompressor() -> Any:
    import zstandard

    return zstandard.ZstdDecompressor()
