"""What each row of the record counts for in a budget: a pure function of the record.

A cost that is known counts as it is. Where it is not (a cut stream, a writer that died, a model without a
price) the most it can be counts, until a correction says more: the upper bound of its estimate, or else
what budgets held for the call when it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from farebox.journal.records import Done, Held
from farebox.ledger.block_detail import Details
from farebox.ledger.corrections.correction import decode_correction
from farebox.ledger.database import Connection
from farebox.ledger.feed import CLASS_COLUMNS, ROW_COLUMNS, Batch
from farebox.money import PicoUsd

KNOWN = frozenset(("priced", "free", "included", "provider_reported"))
"""Price states of calls whose cost is known."""


class CountedRow(NamedTuple):
    """One row, signed: what a reversal takes back is negative."""

    seq: int
    occurred_at_ns: int
    call_class: int
    """The number of its class of calls, as in its batch."""
    attribution: int
    """The number of whose call it is, as in its batch."""
    cost_pico: PicoUsd
    charge_pico: PicoUsd
    held: Held | None
    """What budgets held for the call when it ended; with its first row only."""


_figures = itemgetter(
    *(
        ROW_COLUMNS.index(name)
        for name in (
            "seq", "call_seq", "revision", "sign", "reverses", "occurred_at", "call_class", "attribution",
            "cost_pico", "charge_pico",
        )
    )
)  # fmt: skip
_STATE = CLASS_COLUMNS.index("cost_state")
_EnvelopeOfHeld = msgspec.defstruct(
    "_EnvelopeOfHeld",
    [(name, Any if name != "held" else Held | None, None) for name in Done.__struct_fields__],
    array_like=True,
)
_decode_held: Callable[[bytes], Any] = msgspec.msgpack.Decoder(_EnvelopeOfHeld).decode


class CountedRows:
    """Says of the rows of one open record what they count for. For one thread."""

    def __init__(self, connection: Connection) -> None:
        self._details = Details(connection)

    def of(self, batch: Batch, *, with_held: bool) -> Iterator[CountedRow]:
        """Yield what the rows of a batch count for.

        `with_held` reads what budgets held for every call, and costs more: the detail of each block.
        """
        known = {number for number, values in batch.classes.items() if values[_STATE] in KNOWN}
        for row in batch.rows:
            seq, first, revision, sign, reverses, at_ns, call_class, attribution, cost, charge = _figures(row)
            held = self._held(seq) if with_held and not revision else None
            cost, charge = cost or 0, charge or 0
            if call_class not in known:
                if sign < 0:  # of the state that the reversed row had
                    cost, charge = self._most(reverses, revision - 1, first, -cost, -charge, None)
                    cost, charge = -cost, -charge
                else:
                    cost, charge = self._most(seq, revision, first, cost, charge, held)
            yield CountedRow(seq, at_ns, call_class, attribution, cost, charge, held)

    def beyond(
        self, seq: int, first: int, revision: int, sign: int, reverses: int, cost: int, charge: int
    ) -> tuple[PicoUsd, PicoUsd]:
        """Return by how much a row, whose cost is not known, counts for more than it says."""
        if sign < 0:
            most = self._most(reverses, revision - 1, first, -cost, -charge, None)
            return -cost - most[0], -charge - most[1]
        most = self._most(seq, revision, first, cost, charge, None)
        return most[0] - cost, most[1] - charge

    def _most(
        self, seq: int, revision: int, first: int, cost: PicoUsd, charge: PicoUsd, held: Held | None
    ) -> tuple[PicoUsd, PicoUsd]:
        """Return the most that a row can be of whose cost a part is known, or nothing."""
        if revision:
            bounds = decode_correction(self._details.of(seq)[0]).bounds
            if bounds is not None and bounds.cost_high_pico is not None:
                high = max(cost, bounds.cost_high_pico)
                return high, (charge if not cost else -(-charge * high // cost))
        held = held or self._held(first)
        if held is None:
            return cost, charge
        return max(cost, held.cost_pico), max(charge, held.charge_pico)

    def _held(self, seq: int) -> Held | None:
        return _decode_held(self._details.of(seq)[0]).held
