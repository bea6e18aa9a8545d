"""Append blocks of calls: their rows, their numbers, and the links of the chain."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from farebox.ledger.blocks import CALL, CALL_AT, Block
from farebox.ledger.chain import GENESIS, link
from farebox.ledger.database import Connection
from farebox.ledger.entries import RESPONSE_RUN_BITS
from farebox.ledger.inserting import Insert
from farebox.ledger.kinds import Kind, Numbers

_SOURCE, _KIND, _RESPONSE = CALL_AT["source"], CALL_AT["kind"], CALL_AT["response_key"]
_INSERT = Insert("call", len(CALL) + 1)
_INSERT_BLOCK = "INSERT INTO block (first_seq, last_seq, recorded_at, detail, hash) VALUES (?, ?, ?, ?, ?)"


class Appending:
    """Knows the newest call's number and the head of the chain."""

    def __init__(self, connection: Connection, clock: Callable[[], int]) -> None:
        self._connection = connection
        self._clock = clock
        self._numbers = Numbers(connection)
        self._kinds: list[int] = []
        """The stored numbers of the kinds that this transaction's blocks count."""
        self._of: Sequence[Kind] = ()
        self.seq = 0
        self.head = GENESIS

    def load(self) -> None:
        """Take from the file how far it is."""
        last = self._connection.execute(
            "SELECT last_seq, hash FROM block ORDER BY first_seq DESC LIMIT 1"
        ).fetchone()
        self.seq, self.head = last or (0, GENESIS)
        self._numbers.forget()
        self._kinds, self._of = [], ()

    def append(self, block: Block, listed: Sequence[Kind]) -> None:
        """Append a block; `listed` are the kinds that it counts, which may have grown since the last one."""
        if listed is not self._of:
            self._kinds, self._of = [], listed
        known = self._kinds
        if len(known) < len(listed):
            known += self._numbers.of_kinds(listed[len(known) :])
        first, last = self.seq + 1, self.seq + block.calls
        columns = list(block.columns)
        columns[_SOURCE] = self._numbers.of_sources(columns[_SOURCE])
        columns[_KIND] = list(map(known.__getitem__, columns[_KIND]))
        columns[_RESPONSE] = response_keys(columns[_RESPONSE], first, last)
        _INSERT.run(self._connection, zip(range(first, last + 1), *columns, strict=True))
        recorded_at = self._clock()
        self.head = link(self.head, (first, last, recorded_at, block.digest))
        self._connection.execute(_INSERT_BLOCK, (first, last, recorded_at, block.detail, self.head))
        self.seq = last


def response_keys(keys: Sequence[int | None], first: int, last: int) -> Sequence[int | None]:
    """Return what finds each response among the calls of its run: see `entries.response_key`."""
    run = first >> RESPONSE_RUN_BITS
    if run == last >> RESPONSE_RUN_BITS:
        return keys if not run else [None if key is None else run << 32 | key for key in keys]
    return [
        None if key is None else seq >> RESPONSE_RUN_BITS << 32 | key for seq, key in enumerate(keys, first)
    ]
