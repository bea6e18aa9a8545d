"""What alerts need of calls that no column says: whether they were tried again, how long cache is kept.

Read from the details of blocks, and only where an alert asks for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection

import msgspec

from farebox.errors import LedgerError
from farebox.ledger.alerting.row_groups import AT, COLUMNS, MINUTE_NS, Group
from farebox.ledger.attempts import attempt_of
from farebox.ledger.block_detail import unpacked
from farebox.ledger.cost_classes import CostedRating
from farebox.ledger.database import Connection

_LONG, _SHORT = "cache_write_1h", "cache_write_5m"

_BLOCK = "SELECT first_seq, last_seq, detail FROM block WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1"
_ROWS = (
    "SELECT seq, revision, reverses, sign, occurred_at, call_class, attribution, cache_creation_input_tokens "
    "FROM call WHERE seq > ? AND seq <= ? AND (revision = 0 OR cache_creation_input_tokens <> 0)"
)


class _Block(msgspec.Struct, array_like=True, gc=False):
    records: list[bytes]
    ratings: list[msgspec.Raw]


_decode_rating = msgspec.msgpack.Decoder(CostedRating | None).decode
_decode_block = msgspec.msgpack.Decoder(_Block).decode


class DetailFigures:
    """For one open record, and one thread. A block that cannot be read says nothing; `verify` names it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._first, self._last = 1, 0
        self._block = _Block([], [])

    def of(self, after: int, upto: int, wanted: Collection[str]) -> list[Group]:
        """Return groups of the figures `wanted` of rows `(after, upto]`, without other sums."""
        tries, cached = "tries" in wanted, "cached_long" in wanted
        if not (tries or cached):
            return []
        found: dict[tuple[int, int, int], list[int]] = {}
        for (
            seq,
            revision,
            reverses,
            sign,
            at_ns,
            call_class,
            attribution,
            written,
        ) in self._connection.execute(_ROWS, (after, upto)).fetchall():
            figures = [0, 0, 0, 0]
            if tries and revision == 0:
                figures[0], figures[1] = 1, int(self._attempt(seq) > 0)
            if cached and written:
                short, long = self._lifetimes(reverses or seq)
                figures[2], figures[3] = sign * short, sign * long
            if any(figures):
                key = at_ns // MINUTE_NS * MINUTE_NS, call_class, attribution
                known = found.get(key)
                found[key] = (
                    figures if known is None else [a + b for a, b in zip(known, figures, strict=True)]
                )
        return [
            Group(minute, minute, call_class, attribution, 0, _sums(figures))
            for (minute, call_class, attribution), figures in found.items()
        ]

    def _attempt(self, seq: int) -> int:
        block = self._load(seq)
        at = seq - self._first
        return attempt_of(block.records[at]) if at < len(block.records) else 0

    def _lifetimes(self, seq: int) -> tuple[int, int]:
        block = self._load(seq)
        try:
            rating = _decode_rating(block.ratings[seq - self._first])
        except (IndexError, msgspec.MsgspecError):
            return 0, 0
        short = long = 0
        for part in rating.parts if rating is not None else ():
            for line in part.lines:
                if line.unit == _LONG:
                    long += int(line.quantity)
                elif line.unit == _SHORT:
                    short += int(line.quantity)
        return short, long

    def _load(self, seq: int) -> _Block:
        if not self._first <= seq <= self._last:
            row = self._connection.execute(_BLOCK, (seq,)).fetchone()
            self._first, self._last, self._block = seq, seq, _Block([], [])
            if row is not None and row[1] >= seq:
                self._first, self._last = row[:2]
                with contextlib.suppress(LedgerError, msgspec.MsgspecError):
                    self._block = _decode_block(unpacked(row[2]))
        return self._block


def _sums(figures: list[int]) -> list[int]:
    sums = [0] * len(COLUMNS)
    sums[AT["tries"]], sums[AT["retries"]], sums[AT["cached_short"]], sums[AT["cached_long"]] = figures
    return sums
