"""What differs between the engines that can answer questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Dialect(Protocol):
    """How one engine writes what standard SQL does not cover.

    Conditions are SQL over columns of `calls`, the empty text for none.
    """

    def placeholder(self, number: int) -> str:
        """Return what stands for parameter `number`, counted from 1."""
        ...

    def tag(self, placeholder: str) -> str:
        """Return the value of the tag whose name is the parameter; NULL without one."""
        ...

    def tag_entries(self, where: str) -> tuple[str, str, str]:
        """Return the name, the value and the relation of the tags of calls: a row for each tag of each."""
        ...

    def exact_sum(self, column: str, condition: str) -> str:
        """Return a sum that can exceed 64 bits, 0 over no rows."""
        ...

    def distinct(self, column: str, condition: str) -> str:
        """Return the exact number of different values, NULL not counted."""
        ...

    def percentile(self, column: str, fractions: Sequence[float], which: int, condition: str) -> str:
        """Return the smallest value that at least `fractions[which]` of them do not exceed.

        The other fractions are what is asked of the same column: an engine may rank its values once.
        """
        ...

    def floor_divided(self, expression: str, divisor: int) -> str:
        """Return whole-number division of what is never negative."""
        ...

    def ratio(self, divided: str, divisor: str) -> str:
        """Return whole-number division of sums that are never negative; NULL where the divisor is zero."""
        ...

    def nulls_last(self, expression: str, *, descending: bool) -> str:
        """Return a term of ORDER BY that puts NULL after everything."""
        ...

    def group_count(self) -> str:
        """Return how many groups there are, as a column of each, whatever the limit."""
        ...
