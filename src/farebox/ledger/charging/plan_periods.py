"""What each charge of a customer's plan has seen in a period, kept in the calls' own transaction."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from farebox.charges.live_charge import NOTHING, Seen
from farebox.ledger.database import Connection
from farebox.pricing.facts import PeriodShare

_READ = "SELECT quantity, events FROM plan_period WHERE period_ns = ? AND charge = ?"
_UPSERT = (
    "INSERT INTO plan_period (charge, period_ns, quantity, events) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (period_ns, charge) DO UPDATE SET quantity = excluded.quantity, events = excluded.events"
)
_KEPT = 50_000

_Key = tuple[str, int]


class PlanPeriods:
    """Periods to date by charge, read when first asked for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._seen: dict[_Key, Seen] = {}
        self._changed: set[_Key] = set()

    def seen(self, charge: str, period_ns: int) -> Seen:
        """Return what a charge has seen in a period."""
        key = charge, period_ns
        found = self._seen.get(key)
        if found is None:
            row = self._connection.execute(_READ, (period_ns, charge)).fetchone()
            found = self._seen[key] = NOTHING if row is None else Seen(Fraction(row[0]), row[1])
        return found

    def add(self, shares: Iterable[PeriodShare], sign: int = 1) -> None:
        """Count a call's shares, or with `sign=-1` take them back; they are stored by `write`."""
        for share in shares:
            before = self.seen(share.charge, share.period_ns)
            key = share.charge, share.period_ns
            self._seen[key] = Seen(
                before.quantity + sign * Fraction(share.quantity), before.events + sign * share.events
            )
            self._changed.add(key)

    def write(self) -> None:
        """Store what changed, within the caller's transaction."""
        if self._changed:
            rows = [
                (charge, period_ns, str(seen.quantity), seen.events)
                for charge, period_ns in sorted(self._changed)
                for seen in (self._seen[charge, period_ns],)
            ]
            self._connection.executemany(_UPSERT, rows)
            self._changed.clear()
        if len(self._seen) > _KEPT:
            self._seen.clear()

    def forget(self) -> None:
        """Drop what is remembered: the transaction failed, or the file is asked anew."""
        self._seen.clear()
        self._changed.clear()
