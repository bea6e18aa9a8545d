"""What billing asks about usage: cells, distinct counts and outcomes of many customers in one question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from farebox.charges.usage.cells import Cell, DistinctCell, OutcomeCell
from farebox.charges.usage.conditions import Where
from farebox.charges.usage.consumption import Bucket


class AsOf(NamedTuple):
    """The record when these were its newest rows: what is appended later changes no answer."""

    seq: int
    """The newest row of calls."""
    outcome: int
    """The newest row of outcomes."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Whose usage of which period, as of when."""

    customers: tuple[str, ...]
    """Any number of them: they are asked about in pieces, so that screens do not wait."""
    from_ns: int
    until_ns: int
    """`[from_ns, until_ns)`, by when calls and outcomes occurred."""
    as_of: AsOf
    timezone: str = "UTC"
    """Whose hours and days buckets are."""
    verified: bool = False
    """Only what a bound key or a client token proves to be the customer's."""


class Usage(Protocol):
    """The record as billing asks it. Results come in a fixed order: the same question, the same bytes."""

    def as_of(self) -> AsOf:
        """Return how far the record is now."""
        ...

    def cells(self, span: Span, dims: Sequence[str], *, bucket: Bucket | None = None) -> list[Cell]:
        """Return a cell for each customer, bucket and combination of `dims` that has calls."""
        ...

    def distinct(
        self,
        span: Span,
        meter: str,
        *,
        where: Where,
        unless: Sequence[Where] = (),
        dims: Sequence[str] = (),
        bucket: Bucket | None = None,
    ) -> list[DistinctCell]:
        """Return how many different `tasks`, `conversations`, `users` or `agents` calls have.

        Of the calls that `where` matches and none of `unless` does.
        """
        ...

    def outcomes(
        self, span: Span, dims: Sequence[str], *, bucket: Bucket | None = None, events: bool = False
    ) -> list[OutcomeCell]:
        """Return a cell for each customer, bucket, outcome's name and combination of `dims`.

        With `events`, each says the value of every one of its outcomes.
        """
        ...
