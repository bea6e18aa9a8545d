"""By how much calls whose cost is not known may cost more, as budgets count it.

A budget refuses calls by the most that those may be; an alert on it must not come behind that.
"""

from __future__ import annotations

from collections.abc import Collection

from farebox.errors import LedgerError
from farebox.ledger.alerting.row_groups import AT, COLUMNS, MINUTE_NS, Group
from farebox.ledger.database import Connection
from farebox.ledger.feed import CALL_SEQ
from farebox.ledger.spending.counted_rows import KNOWN, CountedRows

OPEN = frozenset(("cost_open", "price_open"))
_ROWS = (
    f"SELECT seq, {CALL_SEQ}, revision, sign, reverses, coalesce(cost_pico, 0), "  # noqa: S608 - constants
    "coalesce(charge_pico, 0), occurred_at, call_class, attribution FROM call WHERE seq > ? AND seq <= ? "
    "AND call_class IN (SELECT id FROM call_class WHERE coalesce(cost_state, '') NOT IN "
    f"({', '.join(repr(each) for each in sorted(KNOWN))})) ORDER BY seq"
)


class OpenFigures:
    """For one open record, and one thread. A block that cannot be read says nothing; `verify` names it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows = CountedRows(connection)

    def of(self, after: int, upto: int, wanted: Collection[str]) -> list[Group]:
        """Return groups of what rows `(after, upto]` leave open, without other sums."""
        if not OPEN & frozenset(wanted):
            return []
        found: dict[tuple[int, int, int], list[int]] = {}
        for *row, at_ns, call_class, attribution in self._connection.execute(_ROWS, (after, upto)).fetchall():
            try:
                cost, charge = self._rows.beyond(*row)
            except LedgerError:
                continue
            if cost or charge:
                sums = found.setdefault((at_ns // MINUTE_NS * MINUTE_NS, call_class, attribution), [0, 0])
                sums[0] += cost
                sums[1] += charge
        return [_group(*key, *sums) for key, sums in found.items()]


def _group(minute_ns: int, call_class: int, attribution: int, cost: int, charge: int) -> Group:
    sums = [0] * len(COLUMNS)
    sums[AT["cost_open"]], sums[AT["price_open"]] = cost, charge
    return Group(minute_ns, minute_ns, call_class, attribution, 0, sums)
