"""Rate calls of the ledger anew, by other prices than those of the day they were appended.

The same function shows the difference and makes the corrections, so that what is applied is what was
shown. Only calls without a price are looked at unless all are asked for; what lies on a finalised
invoice stays as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from farebox.journal import records
from farebox.ledger.contract_months import ContractMonths
from farebox.ledger.corrections import RERATE, Change
from farebox.ledger.entries import COLUMN, COLUMNS, Money, Values, decode_rating, money_of, rating_of
from farebox.ledger.sealing import Seals
from farebox.pricing.facts import MonthShare, RatedPart
from farebox.pricing.quotation import month_of
from farebox.pricing.tiers import MonthToDate
from farebox.wire.facts import Extraction, Part

UNPRICED = "unpriced"

_AT = {name: COLUMN[name] for name in COLUMNS}
_DONE, _RATING, _USAGE = _AT["done"], _AT["rating"], len(COLUMNS)
_STATE, _COST, _CHARGE = _AT["cost_state"], _AT["cost_pico"], _AT["charge_pico"]
_BILLABLE, _OCCURRED, _CUSTOMER = _AT["billable"], _AT["occurred_at"], _AT["customer"]
_COMPLETENESS, _KEY = _AT["completeness"], _AT["key_fingerprint"]
_MEASURED = slice(_AT["input_tokens"], _AT["reasoning_output_tokens"] + 1)
_MONTH = RatedPart.__struct_fields__.index("month")
_CHARGED = RatedPart.__struct_fields__.index("charge_pico")
"""Where a stored part has these."""

_NAMED_MAX = 3


class Book(Protocol):
    """What is asked of a price book."""

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


_decode_done = records.decode_done
_decode_usage = msgspec.msgpack.Decoder(Extraction).decode


class Rerated(NamedTuple):
    """A call that other prices make something else of."""

    now: Values
    parts: tuple[Part, ...]
    rated: list[RatedPart]
    money: Money


class Tally(NamedTuple):
    """What became of the calls that were looked at."""

    changed: list[Rerated]
    sealed: int
    """Left alone: they lie on a finalised invoice."""


def parts_of(call: Values) -> tuple[Part, ...]:
    """Return the parts of a call as they count now; `call` has `COLUMNS` and the usage."""
    usage = call[_USAGE]
    return _decode_usage(usage).parts if usage is not None else _decode_done(call[_DONE]).extraction.parts


class Rerating:
    """Rates calls by one book; months of contracts with tiers are kept up beside it."""

    def __init__(self, book: Book, months: ContractMonths, seals: Seals) -> None:
        self._book = book
        self._has_contracts = getattr(book, "has_contracts", False)
        self._months = months
        self._seals = seals

    def rate(self, calls: Iterable[Values], *, priced_too: bool) -> Tally:
        """Return the calls whose money changes, with the money they are to have."""
        changed: list[Rerated] = []
        sealed = 0
        for call in calls:
            if not call[_BILLABLE] or (call[_STATE] != UNPRICED and not priced_too):
                continue
            if self._seals and self._seals.invoice_of(call[_CUSTOMER], call[_OCCURRED]) is not None:
                sealed += 1
                continue
            found = self._rerated(call)
            if found is not None:
                changed.append(found)
        return Tally(changed, sealed)

    def is_sealed(self, call: Values) -> bool:
        """Tell whether a call lies on a finalised invoice."""
        return bool(self._seals) and self._seals.invoice_of(call[_CUSTOMER], call[_OCCURRED]) is not None

    def rate_parts(self, call: Values, parts: Sequence[Part], completeness: str) -> list[RatedPart]:
        """Return other parts of a call in money: those that were really measured."""
        as_measured = list(call)
        as_measured[_COMPLETENESS] = completeness
        if self._has_contracts:
            return self._agreed(tuple(as_measured), _decode_done(call[_DONE]).attribution, parts)
        rate = self._book.rate
        return [
            rate(part, occurred_at_ns=call[_OCCURRED], completeness=completeness, billable=True)
            for part in parts
        ]

    def rate_bound(self, call: Values, parts: Sequence[Part]) -> list[RatedPart]:
        """Return what a call would cost with other parts; no month sees them."""
        asking = _decode_done(call[_DONE]).attribution
        if call[_KEY]:
            asking = {**asking, "key": call[_KEY]}
        rate, at_ns = self._book.rate, call[_OCCURRED]
        if not self._has_contracts:
            return [
                rate(part, occurred_at_ns=at_ns, completeness="estimated", billable=True) for part in parts
            ]
        return [
            rate(part, occurred_at_ns=at_ns, completeness="estimated", billable=True, attribution=asking)
            for part in parts
        ]

    def _rerated(self, call: Values) -> Rerated | None:
        usage = call[_USAGE]
        done = _decode_done(call[_DONE])
        parts = done.extraction.parts if usage is None else _decode_usage(usage).parts
        if self._has_contracts:
            rated = self._agreed(call, done.attribution, parts)
        else:
            rate, at_ns, completeness = self._book.rate, call[_OCCURRED], call[_COMPLETENESS]
            rated = [
                rate(part, occurred_at_ns=at_ns, completeness=completeness, billable=True) for part in parts
            ]
        money = money_of(rated, billable=True)
        same = (
            money.cost_state == call[_STATE]
            and money.cost_pico == call[_COST]
            and money.charge_pico == call[_CHARGE]
            and money.list_cost_pico == decode_rating(call[_RATING]).list_cost_pico
        )
        return None if same else Rerated(call, parts, rated, money)

    def _agreed(self, call: Values, attribution: Mapping[str, str], parts: Sequence[Part]) -> list[RatedPart]:
        """Rate under contracts: a call under tiers is charged what its change makes to the month."""
        asking = {**attribution, "key": call[_KEY]} if call[_KEY] else attribution
        at_ns, months = call[_OCCURRED], self._months
        month = month_of(at_ns)
        before = decode_rating(call[_RATING]).parts
        rated: list[RatedPart] = []
        for number, part in enumerate(parts):
            share, charge = _share_of(before[number]) if number < len(before) else (None, None)
            if share is not None:
                months.add(_negative(share))
                charge = (charge or 0) - self._book.charge_of(share, months.so_far(share.month))
            money = self._book.rate(
                part,
                occurred_at_ns=at_ns,
                completeness=call[_COMPLETENESS],
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


def change_of(found: Rerated, request: str | None) -> Change:
    """Return the correction that makes a call what it was rated to be."""
    money, call = found.money, found.now
    before = decode_rating(call[_RATING])
    rating = rating_of(found.rated, money, before.not_billable_because, before.flags)
    replaced = (
        call[_COMPLETENESS],
        money.cost_state,
        money.cost_pico,
        money.charge_pico,
        *call[_MEASURED],
    )
    return Change(call, replaced, call[_USAGE], rating, RERATE, why(found), request)


def moved(found: Rerated) -> tuple[int, int]:
    """Return the cost before and after, nothing known as nought."""
    return found.now[_COST] or 0, found.money.cost_pico or 0


def named(found: Rerated) -> tuple[str, str | None, bool]:
    """Return provider and model of a call, and whether it had no price."""
    call = found.now
    return call[_AT["provider"]], call[_AT["model"]], call[_STATE] == UNPRICED


def why(found: Rerated) -> str:
    """Say what makes the difference: the state it had, and the prices by their ids."""
    ids = tuple([line.price_id for part in found.rated for line in part.lines if line.price_id])
    return _in_words(found.now[_STATE], ids)


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
