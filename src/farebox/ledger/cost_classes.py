"""What of a row's cost is for which tokens, read from the lines of its rating.

The classes add up to the row's cost exactly, whatever the lines come to: a total that the provider stated
is divided by them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from farebox.charges.usage.cost_classes import CLASSES
from farebox.charges.usage.cost_classes import classes_of as parts_classes
from farebox.errors import LedgerError
from farebox.ledger.attempts import attempt_of
from farebox.ledger.block_detail import unpacked
from farebox.ledger.cache_savings import SAVINGS, savings_of
from farebox.ledger.database import Connection

INCLUDED_VALUE = "included_value_pico"
"""What calls that a subscription paid for would have cost by list price. It is part of no cost."""

COSTS = (*CLASSES, INCLUDED_VALUE, *SAVINGS)

_NOTHING = (0,) * len(COSTS)
_BLOCKS = "SELECT first_seq, last_seq, detail FROM block WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1"

Costs = tuple[int, ...]
"""As `COSTS`."""


class CostedLine(msgspec.Struct, array_like=True, gc=False):
    """The beginning of a cost line; what follows is passed over, here as below."""

    unit: str
    quantity: Any
    price: Any
    amount_pico: int | None = None


class CostedPart(msgspec.Struct, array_like=True, gc=False):
    lines: list[CostedLine]
    cost_state: str
    reason: Any = None
    list_cost_pico: int | None = None
    cost_pico: int | None = None
    charge_pico: Any = None
    contracted_cost_pico: Any = None
    contract: Any = None
    charge_plan: str | None = None


class CostedRating(msgspec.Struct, array_like=True, gc=False):
    because: Any
    list_cost_pico: Any
    flags: Any
    parts: list[CostedPart]


class _Detail(msgspec.Struct, array_like=True, gc=False):
    """A block's detail; its records are not decoded."""

    records: list[bytes]
    ratings: list[CostedRating | None]


_decode = msgspec.msgpack.Decoder(_Detail).decode


class CostClasses:
    """Reads what no column says of rows of one open record: cost classes, and retries. For one thread.

    Rows are asked about in order, so that every block is decoded once. Where a block cannot be read, or is
    missing, the whole cost is `other_cost_pico` and nothing is a retry: sums stay exact, and `farebox verify`
    names the block.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._appended = _Block()
        self._reversed = _Block()

    def of(
        self, rows: Sequence[tuple[int, int | None, int | None]], included: Collection[int] = ()
    ) -> list[Costs]:
        """Return the classes of rows, given as number, number of the row that it reverses, and cost.

        `included`: the numbers of those that a subscription paid for.
        """
        return [self.of_row(seq, reverses, cost, seq in included) for seq, reverses, cost in rows]

    def of_row(self, seq: int, reverses: int | None, cost: int | None, is_included: bool) -> Costs:
        """Return the classes of one row."""
        if not cost and not is_included:
            return _NOTHING
        if reverses is None:
            return classes_of(self._rating(self._appended, seq), cost or 0)
        costs = classes_of(self._rating(self._reversed, reverses), -(cost or 0))
        return tuple([-each for each in costs])

    def is_retry(self, seq: int, call_seq: int) -> bool:
        """Tell whether the call of row `seq`, whose first row is `call_seq`, repeated one that had failed."""
        block = self._load(self._appended if seq == call_seq else self._reversed, call_seq)
        at = call_seq - block.first
        return at < len(block.records) and attempt_of(block.records[at]) > 0

    def _rating(self, block: _Block, seq: int) -> CostedRating | None:
        self._load(block, seq)
        at = seq - block.first
        return block.ratings[at] if at < len(block.ratings) else None

    def _load(self, block: _Block, seq: int) -> _Block:
        if not block.first <= seq <= block.last:
            block.load(self._connection.execute(_BLOCKS, (seq,)).fetchone(), seq)
        return block


class _Block:
    """The records and ratings of the block that was looked into last."""

    def __init__(self) -> None:
        self.first, self.last = 1, 0
        self.records: list[bytes] = []
        self.ratings: list[CostedRating | None] = []

    def load(self, row: Sequence[Any] | None, seq: int) -> None:
        self.first = self.last = seq
        self.records, self.ratings = [], []
        if row is None or row[1] < seq:
            return
        self.first, self.last = row[:2]
        with contextlib.suppress(LedgerError, msgspec.MsgspecError):
            detail = _decode(unpacked(row[2]))
            self.records, self.ratings = detail.records, detail.ratings


def classes_of(rating: CostedRating | None, cost_pico: int) -> Costs:
    """Return what of a row's cost is for which tokens, the value of what a subscription paid for, and what
    caching has saved.
    """
    parts = () if rating is None else rating.parts
    value = sum(part.list_cost_pico or 0 for part in parts if part.cost_state == "included")
    return (*parts_classes(parts, cost_pico), value, *savings_of(parts))
