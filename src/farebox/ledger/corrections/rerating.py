"""Rate calls of the record again, by other prices than when they were appended.

The same function shows the difference and makes the corrections, so that what is applied is what was
shown. Only calls without a price are included unless all are asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from farebox.ledger.append.entry import Money, decode_rating, money_of, rating_of
from farebox.ledger.call_store import StoredCall
from farebox.ledger.corrections.contract_months import ContractMonths
from farebox.ledger.corrections.correction import RERATE, Bounds, Change, Correction
from farebox.pricing.contracts.tiers import MonthToDate
from farebox.pricing.facts import MonthShare, RatedPart
from farebox.pricing.quotation import month_of
from farebox.wire.facts import Part

UNPRICED = "unpriced"

_MONTH = RatedPart.__struct_fields__.index("month")
_CHARGED = RatedPart.__struct_fields__.index("charge_pico")
"""Where a stored part has these."""

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
        so_far: Mapping[str, MonthToDate] | None = None,
    ) -> RatedPart: ...
    def charge_of(self, share: MonthShare, so_far: Mapping[str, MonthToDate]) -> int: ...


class Rerated(NamedTuple):
    """A call that costs something else at other prices."""

    now: StoredCall
    rated: list[RatedPart]
    money: Money


class Rerating:
    """Rates calls by one book; months of contracts with tiers are kept up beside it."""

    def __init__(self, book: Book, months: ContractMonths) -> None:
        self._book = book
        self._has_contracts = getattr(book, "has_contracts", False)
        self._months = months

    def rate(self, calls: Iterable[StoredCall], *, priced_too: bool) -> list[Rerated]:
        """Return the calls whose money changes, with the money they are to have."""
        changed: list[Rerated] = []
        for call in calls:
            if call.billable and (priced_too or call.cost_state == UNPRICED):
                rated = self.rate_parts(call, call.extraction.parts, call.completeness)
                money = money_of(rated, billable=True)
                if not _is_same(call, money):
                    changed.append(Rerated(call, rated, money))
        return changed

    def rate_parts(self, call: StoredCall, parts: Sequence[Part], completeness: str) -> list[RatedPart]:
        """Return parts of a call in money."""
        if self._has_contracts:
            return self._agreed(call, parts, completeness)
        rate, at_ns = self._book.rate, call.occurred_at
        return [rate(part, occurred_at_ns=at_ns, completeness=completeness, billable=True) for part in parts]

    def rate_bound(self, call: StoredCall, parts: Sequence[Part]) -> list[RatedPart]:
        """Return what a call would cost with other parts; no month sees them."""
        rate, at_ns = self._book.rate, call.occurred_at
        if not self._has_contracts:
            return self.rate_parts(call, parts, "estimated")
        asking = _asking(call)
        return [
            rate(part, occurred_at_ns=at_ns, completeness="estimated", billable=True, attribution=asking)
            for part in parts
        ]

    def _agreed(self, call: StoredCall, parts: Sequence[Part], completeness: str) -> list[RatedPart]:
        """Rate under contracts: a call under tiers is charged what its change makes to the month."""
        asking = _asking(call)
        at_ns, months = call.occurred_at, self._months
        month = month_of(at_ns)
        before = decode_rating(call.rating).parts
        rated: list[RatedPart] = []
        for number, part in enumerate(parts):
            share, charge = _share_of(before[number]) if number < len(before) else (None, None)
            if share is not None:
                months.add(_negative(share))
                charge = (charge or 0) - self._book.charge_of(share, months.so_far(share.month))
            money = self._book.rate(
                part,
                occurred_at_ns=at_ns,
                completeness=completeness,
                billable=True,
                attribution=asking,
                so_far=months.so_far(month),
            )
            if money.month is not None:
                months.add(money.month)
                if share is not None and share.term == money.month.term and money.charge_pico is not None:
                    money = msgspec.structs.replace(money, charge_pico=money.charge_pico + (charge or 0))
            rated.append(money)
        return rated


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


def _is_same(call: StoredCall, money: Money) -> bool:
    return (
        money.cost_state == call.cost_state
        and money.cost_pico == call.cost_pico
        and money.charge_pico == call.charge_pico
        and money.list_cost_pico == decode_rating(call.rating).list_cost_pico
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


def _share_of(stored: Sequence[Any]) -> tuple[MonthShare | None, int | None]:
    """Return what a stored part added to its month, and what was charged for it."""
    if len(stored) <= _MONTH or stored[_MONTH] is None:
        return None, None
    return msgspec.convert(stored[_MONTH], MonthShare), stored[_CHARGED]


def _negative(share: MonthShare) -> MonthShare:
    return MonthShare(share.term, share.month, -share.units, -share.base_pico)


def shares_of(rating: bytes) -> list[MonthShare]:
    """Return what a call adds to months of contracts with tiers, by its stored rating."""
    found = [_share_of(part)[0] for part in decode_rating(rating).parts]
    return [share for share in found if share is not None]
