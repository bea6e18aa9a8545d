"""Read the ledger: totals, groups, series, calls. Never writes, safe while the writer runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from farebox.errors import CallNotFoundError
from farebox.ledger.filter import DIMENSIONS, OTHER, Filter
from farebox.ledger.rows import CallRow, Group, Measures, Point

if TYPE_CHECKING:
    from farebox.home import Home

__all__ = ["DIMENSIONS", "OTHER", "Filter", "LedgerReader"]


class LedgerReader:
    """Queries over one home's ledger; a home without a ledger answers with zeros."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def totals(self, which: Filter) -> Measures:
        """Return the sums over the calls of `which`."""
        return Measures()

    def breakdown(self, which: Filter, by: Sequence[str], limit: int = 100) -> list[Group]:
        """Return the sums for each value of the dimensions `by`, dearest first."""
        return []

    def series(self, which: Filter, bucket_s: int, by: str | None = None) -> list[Point]:
        """Return the sums for each bucket of `bucket_s` seconds that has calls, oldest first."""
        return []

    def calls(
        self, which: Filter, limit: int = 100, before_seq: int | None = None, after_seq: int | None = None
    ) -> list[CallRow]:
        """Return calls newest first, or oldest first from `after_seq` on."""
        return []

    def call(self, event_id: str) -> CallRow:
        """Return the call with this id or unique beginning of one.

        Raises:
            CallNotFoundError: There is none, or more than one.
        """
        raise CallNotFoundError(f"no call {event_id}")

    def export(self, which: Filter) -> Iterator[CallRow]:
        """Yield every call of `which`, oldest first."""
        return iter(())

    def last_seq(self) -> int:
        """Return the sequence number of the newest row, 0 where there is none."""
        return 0
