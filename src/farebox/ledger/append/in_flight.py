"""Calls that have begun and not ended, as far as the record knows: who made them, and what they used so far.

A call is known from its INTENT on, its usage from its last PARTIAL (at most every 5 s): what it costs so far
is a lower bound of what it will cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from farebox.journal import records
from farebox.journal.records import Intent
from farebox.ledger.database import Connection
from farebox.wire.facts import Extraction

if TYPE_CHECKING:
    from farebox.ledger.corrections.rerating import Book

_NEWEST = "SELECT intent, partial FROM pending ORDER BY event_id DESC LIMIT ?"
"""Ids are UUIDv7, whose order is that of time."""


class InFlight(msgspec.Struct, frozen=True, kw_only=True):
    """A call that has begun and not ended."""

    intent: Intent
    known_at_ns: int | None
    """When its usage was seen last; None: nothing is known of it yet."""
    extraction: Extraction

    @property
    def model(self) -> str | None:
        """The model that responds, or the one that was asked for, as far as it is known."""
        return self.extraction.response_model or self.extraction.request_model

    @property
    def reserved_pico(self) -> int | None:
        """What budgets hold for it: the most it can cost; None where none covers it."""
        return None if self.intent.held is None else self.intent.held.cost_pico

    def cost_pico(self, book: Book) -> int | None:
        """Return what it costs so far by these prices; None where nothing is known, or has no price."""
        if not self.extraction.parts:
            return None
        asking = dict(self.intent.attribution)
        if self.intent.key_fingerprint:
            asking["key"] = self.intent.key_fingerprint
        more: dict[str, Mapping[str, str]] = {"attribution": asking} if book.has_contracts else {}
        rated = [
            book.rate(
                part,
                occurred_at_ns=self.intent.occurred_at_ns,
                completeness="partial",
                billable=True,
                **more,
            ).cost_pico
            for part in self.extraction.parts
        ]
        known = [amount for amount in rated if amount is not None]
        return sum(known) if known else None


def calls_in_flight(connection: Connection, limit: int) -> list[InFlight]:
    """Return calls that have begun and not ended, the newest first."""
    return [_read(intent, partial) for intent, partial in connection.execute(_NEWEST, (limit,))]


def _read(intent: bytes, partial: bytes | None) -> InFlight:
    begun = records.decode_intent(intent)
    if partial is None:
        return InFlight(intent=begun, known_at_ns=None, extraction=Extraction())
    known = records.decode_partial(partial)
    return InFlight(intent=begun, known_at_ns=known.at_ns, extraction=known.extraction)
