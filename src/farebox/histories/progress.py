"""What a reading has come to so far, and what was not understood."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from farebox.histories.lines import shown

_SAMPLES_MAX = 5
_REASONS_MAX = 50


class NotUnderstood(msgspec.Struct, kw_only=True):
    """Lines, rows or messages that could not be imported for one reason."""

    reason: str
    count: int = 0
    where: list[str] = []
    """The first few of them: file, and line or record."""


class Reading(msgspec.Struct, kw_only=True):
    """What was found in one history. Tokens and money are of the calls that are new."""

    history: str
    files: int = 0
    """Files that were opened; those that have not changed are not."""
    read_bytes: int = 0
    calls: int = 0
    """Calls that are new."""
    known: int = 0
    """Calls that are in the record already, under the same id."""
    copies: int = 0
    """Further copies of a call, in the same file or another."""
    skipped: int = 0
    """Calls before `--since`."""
    waiting: int = 0
    """Calls whose end is not in the log yet; the next reading has them."""
    subscription: int = 0
    """New calls that a subscription pays for."""
    input_tokens: int = 0
    output_tokens: int = 0
    stated_usd: Decimal = Decimal(0)
    """What the history itself says that the new calls cost, where it does."""
    first_ns: int | None = None
    last_ns: int | None = None
    not_understood: list[NotUnderstood] = []
    notes: list[str] = []
    """What was assumed, in words."""

    def miss(self, reason: str, where: str, count: int = 1) -> None:
        """Count something that was not understood."""
        known = next((each for each in self.not_understood if each.reason == reason), None)
        if known is None:
            if len(self.not_understood) >= _REASONS_MAX:
                return self.miss("other reasons", where, count) if reason != "other reasons" else None
            known = NotUnderstood(reason=reason, where=[])
            self.not_understood = [*self.not_understood, known]
        known.count += count
        if len(known.where) < _SAMPLES_MAX:
            known.where.append(shown(where))
        return None

    def note(self, words: str) -> None:
        """Keep what was assumed, once."""
        if words not in self.notes:
            self.notes = [*self.notes, words]

    def span(self, moment_ns: int) -> None:
        """Widen the time that the new calls are of."""
        self.first_ns = moment_ns if self.first_ns is None else min(self.first_ns, moment_ns)
        self.last_ns = moment_ns if self.last_ns is None else max(self.last_ns, moment_ns)


Told = Callable[[Reading, int, int], None]
"""Shows progress: the reading, bytes read, bytes there are in all."""
