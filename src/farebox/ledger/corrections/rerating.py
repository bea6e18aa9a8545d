"""Rate calls of the record again, by other prices than when they were appended.

The same function shows the difference and makes the corrections, so that what is applied is what was
shown. Only calls without a price are included unless all are asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from farebox.ledger.append.entry import Money, decode_rating, money_of, rating_of
from farebox.ledger.call_store import StoredCall
from farebox.ledger.charging.call_charges import CallCharges, stored_charge
from farebox.ledger.corrections.correction import RERATE, Bounds, Change, Correction
from farebox.pricing.facts import RatedPart
from farebox.wire.facts import Part

if TYPE_CHECKING:
    from farebox.journal.records import Done

UNPRICED = "unpriced"

_NAMED_MAX = 3


class Book(Protocol):
    """The part of a price book that is used here."""

    digest: str

    @property
    def has_contracts(self) -> bool: ...
    def rate(
        self,
        part: Part,
        *,
        occurred_at_ns: int,
        completeness: str,
        billable: bool,
        attribution: Mapping[str, str] | None = None,
    ) -> RatedPart: ...


class Rerated(NamedTuple):
    """A call that costs something else at other prices."""

    now: StoredCall
    rated: list[RatedPart]
    money: Money


class Rerating:
    """Rates calls by one book; what periods of plans have seen is kept up beside it."""

    def __init__(self, book: Book, charges: CallCharges) -> None:
        self._book = book
        self._charges = charges

    def rate(self, calls: Iterable[StoredCall], *, priced_too: bool) -> list[Rerated]:
        """Return the calls whose money changes, with the money they are to have."""
        changed: list[Rerated] = []
        for call in calls:
            if call.billable and (priced_too or call.cost_state == UNPRICED):
                rated = self.rate_parts(call, call.extraction.parts, call.completeness)
                money = money_of(rated, billable=True)
                if not _is_same(call, money, rated):
                    changed.append(Rerated(call, rated, money))
        return changed

    def rate_parts(self, call: StoredCall, parts: Sequence[Part], completeness: str) -> list[RatedPart]:
        """Return parts of a call in money."""
        return self._charges.charged_again(call, parts, self.rate_bound(call, parts, completeness))

    def rate_bound(
        self, call: StoredCall, parts: Sequence[Part], completeness: str = "estimated"
    ) -> list[RatedPart]:
        """Return what a call would cost with other parts; no period sees them."""
        return rate_parts(
            self._book,
            parts,
            _asking(call),
            occurred_at_ns=call.occurred_at,
            completeness=completeness,
            billable=True,
        )


def rate_parts(
    book: Book,
    parts: Sequence[Part],
    asking: Mapping[str, str],
    *,
    occurred_at_ns: int,
    completeness: str,
    billable: bool,
) -> list[RatedPart]:
    """Return parts in money by the prices of a book; `asking` decides which contracts cover them."""
    more: dict[str, Mapping[str, str]] = {"attribution": asking} if book.has_contracts else {}
    return [
        book.rate(part, occurred_at_ns=occurred_at_ns, completeness=completeness, billable=billable, **more)
        for part in parts
    ]


def asking_of(done: Done) -> Mapping[str, str]:
    """Return what decides which contracts cover a call."""
    attribution = done.attribution
    return {**attribution, "key": done.key_fingerprint} if done.key_fingerprint else attribution


def change_of(found: Rerated, request: str | None, bounds: Bounds | None) -> Change:
    """Return the correction to a call's new rating; `bounds` are those of its estimate."""
    money, call = found.money, found.now
    before = decode_rating(call.rating)
    usage = None if call.correction is None else call.correction.usage
    return Change(
        call,
        call.completeness,
        money.cost_state,
        money.cost_pico,
        money.charge_pico,
        call.tokens,
        rating_of(found.rated, money, before.not_billable_because, before.flags),
        Correction(RERATE, why(found), request, bounds, usage),
    )


def why(found: Rerated) -> str:
    """Return the reason for the difference: the state it had, and the ids of the prices."""
    ids = tuple([line.price_id for part in found.rated for line in part.lines if line.price_id])
    return _in_words(found.now.cost_state, ids)


def _is_same(call: StoredCall, money: Money, rated: Sequence[RatedPart]) -> bool:
    return (
        money.cost_state == call.cost_state
        and money.cost_pico == call.cost_pico
        and money.charge_pico == call.charge_pico
        and money.list_cost_pico == decode_rating(call.rating).list_cost_pico
        and (rated[0].shares if rated else ()) == stored_charge(call.rating).shares
    )


def _asking(call: StoredCall) -> Mapping[str, str]:
    attribution = call.done.attribution
    return {**attribution, "key": call.key_fingerprint} if call.key_fingerprint else attribution


@functools.lru_cache(maxsize=4096)
def _in_words(state: str, ids: tuple[str, ...]) -> str:
    named = list(dict.fromkeys(ids))
    if not named:
        return f"{state}: no price now"
    return f"{state}: priced by {', '.join(named[:_NAMED_MAX])}" + (" …" if len(named) > _NAMED_MAX else "")
