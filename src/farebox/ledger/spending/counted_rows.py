"""What each row of the record counts for in a budget: a pure function of the record.

A cost that is known counts as it is. Where it is not (a cut stream, a writer that died, a model without a
price) the most it can be counts, until a correction says more: the upper bound of its estimate, or else
what budgets held for the call when it ended.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from farebox.journal.records import Done, Held
from farebox.ledger.block_detail import Details
from farebox.ledger.corrections.correction import decode_correction
from farebox.ledger.database import Connection
from farebox.money import PicoUsd

KNOWN = frozenset(("priced", "free", "included", "provider_reported"))
"""Price states of calls whose cost is known."""


class CountedRow(NamedTuple):
    """One row, signed: what a reversal takes back is negative."""

    seq: int
    occurred_at_ns: int
    call_class: int
    """The number of its class of calls."""
    attribution: int
    """The number of whose call it is."""
    cost_pico: PicoUsd
    charge_pico: PicoUsd
    held: Held | None
    """What budgets held for the call when it ended; with its first row only."""


class _Figures(NamedTuple):
    seq: int
    sign: int
    reverses: int | None
    revision: int
    occurred_at_ns: int
    call_class: int
    attribution: int
    cost_pico: PicoUsd
    charge_pico: PicoUsd
    cost_state: str


_COLUMNS = (
    "SELECT c.seq, c.sign, c.reverses, c.revision, c.occurred_at, c.call_class, c.attribution, "
    "coalesce(c.cost_pico, 0), coalesce(c.charge_pico, 0), k.cost_state "
    "FROM call c CROSS JOIN call_class k ON k.id = c.call_class WHERE "
)
_AFTER = _COLUMNS + "c.seq > ? AND c.seq <= ? ORDER BY c.seq"
_ONE = _COLUMNS + "c.seq = ?"
_FIRST = (
    "SELECT first.seq FROM call this CROSS JOIN call first ON first.event_id = this.event_id "
    "AND first.source = this.source AND first.revision = 0 WHERE this.seq = ?"
)
_EnvelopeOfHeld = msgspec.defstruct(
    "_EnvelopeOfHeld",
    [(name, Any if name != "held" else Held | None, None) for name in Done.__struct_fields__],
    array_like=True,
)
_decode_held = msgspec.msgpack.Decoder(_EnvelopeOfHeld).decode


class CountedRows:
    """Reads the rows of one open record. For one thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._details = Details(connection)

    def between(self, after: int, upto: int, *, with_held: bool) -> list[CountedRow]:
        """Return the rows behind row `after`, up to row `upto`.

        `with_held` reads what budgets held for every call, and costs more: the detail of each block.
        """
        found = list(map(_Figures._make, self._connection.execute(_AFTER, (after, upto))))
        return [self._counted(row, with_held=with_held) for row in found]

    def _counted(self, row: _Figures, *, with_held: bool) -> CountedRow:
        held = self._held(row.seq) if with_held and not row.revision else None
        cost, charge = row.cost_pico, row.charge_pico
        if row.cost_state not in KNOWN:
            if row.sign < 0:
                cost, charge = self._taken_back(row)
            else:
                cost, charge = self._bound(row, held)
        return CountedRow(row.seq, row.occurred_at_ns, row.call_class, row.attribution, cost, charge, held)

    def _taken_back(self, reversal: _Figures) -> tuple[PicoUsd, PicoUsd]:
        reversed_row = _Figures._make(self._connection.execute(_ONE, (reversal.reverses,)).fetchone())
        cost, charge = self._bound(reversed_row, None)
        return -cost, -charge

    def _bound(self, row: _Figures, held: Held | None) -> tuple[PicoUsd, PicoUsd]:
        """Return the most that a row can be of whose cost a part is known, or nothing."""
        cost, charge = row.cost_pico, row.charge_pico
        if row.revision:
            bounds = decode_correction(self._details.of(row.seq)[0]).bounds
            if bounds is not None and bounds.cost_high_pico is not None:
                high = max(cost, bounds.cost_high_pico)
                return high, (charge if not cost else -(-charge * high // cost))
            (first,) = self._connection.execute(_FIRST, (row.seq,)).fetchone()
            held = self._held(first)
        elif held is None:
            held = self._held(row.seq)
        if held is None:
            return cost, charge
        return max(cost, held.cost_pico), max(charge, held.charge_pico)

    def _held(self, seq: int) -> Held | None:
        return _decode_held(self._details.of(seq)[0]).held
