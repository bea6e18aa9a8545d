"""Append rows in blocks: their numbers, their detail, and their link of the chain. A block's detail holds
the records of its rows and their ratings, compressed together: records of one proxy are much alike.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from farebox.ledger.append.dictionaries import Dictionaries, Numbered, Whose
from farebox.ledger.append.insertion import Insert
from farebox.ledger.block_detail import encode_detail
from farebox.ledger.database import Connection
from farebox.ledger.proof.chain import GENESIS, link

CALL = (
    "event_id",
    "source",
    "revision",
    "sign",
    "reverses",
    "occurred_at",
    "call_class",
    "attribution",
    "step",
    "parent_step",
    "response_key",
    "max_tokens",
    "first_byte_us",
    "total_us",
    "cost_pico",
    "charge_pico",
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
)
"""The columns of `call` but its number, in the order its block's digest is made over. There `source` is
the name, `call_class` and `attribution` are digests, and `response_key` is the checksum alone."""

CALL_AT = {name: index for index, name in enumerate(CALL)}

RECORDS_BYTES_MAX = 1 << 20
"""More than this in one block takes too long to read when one of its rows is looked at."""

RESPONSE_RUN_BITS = 18
"""Rows share one range of `response_key` for this many bits of their number, so that adding to
the index touches few pages however random a provider's ids are."""

_SOURCE, _CLASS = CALL_AT["source"], CALL_AT["call_class"]
_ATTRIBUTION, _RESPONSE = CALL_AT["attribution"], CALL_AT["response_key"]
_INSERT = Insert("call", len(CALL) + 1)
_INSERT_BLOCK = "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?)"

_canonical = msgspec.msgpack.Encoder().encode


class Row(NamedTuple):
    """A row on its way into the record."""

    values: tuple[Any, ...]
    """As `CALL`: the writer's name, the values of the class, the attribution as `Whose`, the checksum."""
    record: bytes
    """What is kept of it: a call's end without its attribution, a correction, nothing of a reversal."""
    rating: Any
    """What was decided about it (entry.py): values to encode, or encoded as `msgspec.Raw`."""


def response_checksum(response_id: str) -> int:
    """Return a checksum that finds a response in its run of rows; others can have the same."""
    return crc32(response_id.encode())


def response_key(response_id: str, seq: int) -> int:
    """Return the key that finds a response among the rows of one run."""
    return seq >> RESPONSE_RUN_BITS << 32 | response_checksum(response_id)


def encoded_rows(rows: Iterable[tuple[Any, ...]]) -> list[bytes]:
    """Return rows as a block's digest is made over them: as `CALL`, each by itself."""
    return list(map(_canonical, rows))


def checksums_of(encoded: Iterable[bytes]) -> bytes:
    """Return four bytes a row. They prove nothing; they say which row of a block is wrong."""
    return array("I", map(crc32, encoded)).tobytes()


def digest_of(encoded: Iterable[bytes], detail: bytes) -> bytes:
    """Return the digest of a block: over its encoded rows and its detail."""
    return hashlib.sha256(b"".join(encoded) + detail).digest()


def block_link(
    previous: bytes, first: int, last: int, recorded_at: int, commitments: bytes, digest: bytes
) -> bytes:
    """Return a block's link of the chain; it covers the personal values that came with the block."""
    return link(previous, (first, last, recorded_at, hashlib.sha256(commitments).digest(), digest))


class Blocks:
    """Holds the newest row's number and the head of the chain; appends in the caller's transaction."""

    def __init__(self, connection: Connection, clock: Callable[[], int]) -> None:
        self._connection = connection
        self._clock = clock
        self.dictionaries = Dictionaries(connection)
        self.seq = 0
        self.head = GENESIS

    def load(self) -> None:
        """Take from the file how far it is."""
        last = self._connection.execute(
            "SELECT last_seq, hash FROM block ORDER BY first_seq DESC LIMIT 1"
        ).fetchone()
        self.seq, self.head = last or (0, GENESIS)
        self.dictionaries.load()

    def append(self, rows: Sequence[Row]) -> None:
        """Append rows, in blocks of at most a megabyte of records."""
        for chunk in _chunks(rows):
            self._append(chunk)

    def number_of(self, whose: Whose, source: str) -> tuple[Numbered, int]:
        """Return the numbers of an attribution and of a writer, for rows that are no calls."""
        (attribution,) = self.dictionaries.attributions([whose])
        (number,) = self.dictionaries.sources([source])
        return attribution, number

    def erase(self, personal: Sequence[int]) -> list[int]:
        """Erase personal values, by number; return which were still there."""
        return self.dictionaries.erase(personal)

    def _append(self, rows: Sequence[Row]) -> None:
        dictionaries = self.dictionaries
        columns: list[Sequence[Any]] = list(zip(*[row.values for row in rows], strict=True))
        sources, checksums = columns[_SOURCE], columns[_RESPONSE]
        classes = dictionaries.classes(columns[_CLASS])
        attributions = dictionaries.attributions(columns[_ATTRIBUTION])
        columns[_CLASS] = [numbered.digest for numbered in classes]
        columns[_ATTRIBUTION] = [numbered.digest for numbered in attributions]
        encoded = encoded_rows(zip(*columns, strict=True))
        records, ratings = [row.record for row in rows], [row.rating for row in rows]
        detail = encode_detail(records, ratings, checksums_of(encoded))
        digest = digest_of(encoded, detail)
        first, last = self.seq + 1, self.seq + len(rows)
        columns[_SOURCE] = dictionaries.sources(sources)
        columns[_CLASS] = [numbered.number for numbered in classes]
        columns[_ATTRIBUTION] = [numbered.number for numbered in attributions]
        columns[_RESPONSE] = _response_keys(checksums, first, last)
        _INSERT.run(self._connection, zip(range(first, last + 1), *columns, strict=True))
        recorded_at = self._clock()
        self.head = block_link(self.head, first, last, recorded_at, dictionaries.take_commitments(), digest)
        values = (first, last, dictionaries.last_personal, recorded_at, detail, self.head)
        self._connection.execute(_INSERT_BLOCK, values)
        self.seq = last


def _chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    start = size = 0
    for end, row in enumerate(rows, 1):
        size += len(row.record)
        if size >= RECORDS_BYTES_MAX or end == len(rows):
            yield rows[start:end]
            start, size = end, 0


def _response_keys(checksums: Sequence[int | None], first: int, last: int) -> Sequence[int | None]:
    run = first >> RESPONSE_RUN_BITS
    if run == last >> RESPONSE_RUN_BITS:
        return checksums if not run else [None if each is None else run << 32 | each for each in checksums]
    return [
        None if each is None else seq >> RESPONSE_RUN_BITS << 32 | each
        for seq, each in enumerate(checksums, first)
    ]
