"""What each contract term with tiers has seen in a month, kept in the transaction that appends its calls."""

from __future__ import annotations

from collections.abc import Mapping

from farebox.ledger.database import Connection
from farebox.pricing.contracts.tiers import MonthToDate
from farebox.pricing.facts import MonthShare

_UPSERT = (
    "INSERT INTO contract_month (term, month, units, base_pico) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (month, term) DO UPDATE SET units = excluded.units, base_pico = excluded.base_pico"
)


class ContractMonths:
    """Months to date by term, read when first asked for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._months: dict[str, dict[str, MonthToDate]] = {}
        self._changed: set[tuple[str, str]] = set()

    def so_far(self, month: str) -> Mapping[str, MonthToDate]:
        """Return what a month has seen, by term."""
        if month not in self._months:
            rows = self._connection.execute(
                "SELECT term, units, base_pico FROM contract_month WHERE month = ?", (month,)
            )
            self._months[month] = {term: MonthToDate(int(units), int(base)) for term, units, base in rows}
        return self._months[month]

    def add(self, share: MonthShare) -> None:
        """Count one call's share; it is stored by `write`."""
        self.so_far(share.month)
        months = self._months[share.month]
        before = months.get(share.term, MonthToDate())
        months[share.term] = MonthToDate(before.units + share.units, before.base_pico + share.base_pico)
        self._changed.add((share.month, share.term))

    def write(self) -> None:
        """Store what changed, within the caller's transaction."""
        if not self._changed:
            return
        rows = [
            (term, month, str(self._months[month][term].units), str(self._months[month][term].base_pico))
            for month, term in sorted(self._changed)
        ]
        self._connection.executemany(_UPSERT, rows)
        self._changed.clear()

    def forget(self) -> None:
        """Drop what is remembered: the transaction failed, or the file is asked anew."""
        self._months.clear()
        self._changed.clear()
