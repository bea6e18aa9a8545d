"""Calls of the record as they would have been by other prices, or with another model.

Each call is rated as it counted, by the one rating function: amounts are rounded call by call, so no sum of
them can be rated in their place. With another model the token counts stay as they were: another model's
tokenizer, its longer or shorter responses and its cache are not known.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from itertools import islice
from multiprocessing import get_context
from operator import neg, sub
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from farebox.analytics.dimensions import UNPRICED, is_error
from farebox.billing.simulation.changed_usage import DifferenceSums, UsageDifference
from farebox.charges.usage.cost_classes import CLASSES, RatedLines, classes_of
from farebox.journal.records import Done
from farebox.ledger.append.dictionaries import CALL_CLASS, CLASS_AT
from farebox.ledger.append.entry import money_of
from farebox.ledger.charging.call_dims import dims_of
from farebox.ledger.corrections.rerating import Book, rate_parts
from farebox.ledger.database import open_reader
from farebox.ledger.feed import Attribution
from farebox.ledger.rated_calls import RatedCall, RatedCalls
from farebox.wire.facts import Extraction

if TYPE_CHECKING:
    from farebox.home import Home
    from farebox.pricing.rating import Amounts
    from farebox.wire.facts import Part

CALLS_AT_A_TIME = 100
"""Of more, the garbage collector looks through those that are alive again and again."""
ROWS_AT_A_TIME = 100_000
"""Of the record. What has more than two such pieces is worth other processes, which take half a second."""
_NICE = 10
"""These processes leave the machine to whoever calls, or looks at a screen."""
_UNKNOWN, _ESTIMATED = "unknown", "estimated"
_STATE, _KEY, _COMPLETENESS = CLASS_AT["cost_state"], CLASS_AT["key_fingerprint"], CLASS_AT["completeness"]
_Money = tuple[int, ...]
"""The last figures of `SUMS`: costs by class, the charge, and whether the call is unpriced …"""
_NO_COSTS = (0,) * len(CLASSES)
_SAME_COUNTS = (0,) * 8
"""Calls, errors, time and tokens of a call that stays in its cell."""


class OtherModel(NamedTuple):
    """A model in the place of another one."""

    asked_for: str
    """The model that calls asked for, as it is written in them."""
    model: str
    provider: str | None = None
    """None: the provider that the call went to."""


class AmountsBook(Book, Protocol):
    """The part of a price book that is used here."""

    def amounts(
        self,
        part: Part,
        *,
        occurred_at_ns: int,
        completeness: str,
        attribution: Mapping[str, str] | None = None,
    ) -> Amounts: ...


class Replacement(NamedTuple):
    """What would have been different."""

    load: Callable[[], AmountsBook]
    """Makes the prices that calls are rated by, also in another process: a pickle can have it."""
    models: tuple[OtherModel, ...] = ()
    others_stay: bool = False
    """Calls that asked for none of `models` are as they were, and not rated anew."""


def replaced_calls(
    home: Home,
    replacement: Replacement,
    from_ns: int,
    until_ns: int,
    seq: int,
    dimensions: Sequence[str],
    *,
    edges: Mapping[str, Sequence[int]],
    slot_ns: int | None = None,
) -> list[UsageDifference]:
    """Return what other calls in the place of those of `[from_ns, until_ns)` would change, as of row `seq`.

    `edges` has every customer whose calls are looked at; with `slot_ns` it is what `DifferenceSums` takes.
    """
    within = partial(_replaced_within, home, replacement, from_ns, until_ns, seq, dimensions, edges, slot_ns)
    pieces = [(first, min(first + ROWS_AT_A_TIME, seq)) for first in range(0, seq, ROWS_AT_A_TIME)]
    processes = min(os.cpu_count() or 1, len(pieces))
    if processes < 2 or len(pieces) <= 2:
        return within((0, seq))
    with ProcessPoolExecutor(processes, get_context("spawn"), os.nice, (_NICE,)) as pool:
        return [each for found in pool.map(within, pieces) for each in found]


def _replaced_within(
    home: Home,
    replacement: Replacement,
    from_ns: int,
    until_ns: int,
    seq: int,
    dimensions: Sequence[str],
    edges: Mapping[str, Sequence[int]],
    slot_ns: int | None,
    rows: tuple[int, int],
) -> list[UsageDifference]:
    """Return what calls that came in with some rows would change."""
    connection = open_reader(home)
    if connection is None:
        return []
    with closing(connection):
        sums = DifferenceSums(edges, slot_ns)
        calls = RatedCalls(connection, edges)
        models = [each.asked_for for each in replacement.models]
        asked_for = models if replacement.others_stay else None
        replacing = _Replacing(replacement, dimensions, calls, sums)
        replacing.add(calls.within(from_ns, until_ns, seq, rows=rows, asked_for=asked_for))
        return sums.differences()


class _Replaced(NamedTuple):
    """A call that would have cost something else, or would have been of another model."""

    call: RatedCall
    other: OtherModel | None
    before: _Money
    after: _Money


class _Replacing:
    """Rates calls as they would have been, and adds up the differences."""

    def __init__(
        self, replacement: Replacement, dimensions: Sequence[str], calls: RatedCalls, sums: DifferenceSums
    ) -> None:
        self._book = replacement.load()
        self._others = {each.asked_for: each for each in replacement.models}
        self._dimensions = dimensions
        self._calls = calls
        self._sums = sums

    def add(self, calls: Iterator[RatedCall]) -> None:
        """Add what calls change. Without contracts it is read of those only whose they are."""
        if not self._book.has_contracts:
            changed = (each for call in calls if (each := self._replaced(call, {})) is not None)
            while some := list(islice(changed, CALLS_AT_A_TIME)):
                self._add(some, self._calls.attributions(each.call for each in some))
            return
        while every := list(islice(calls, CALLS_AT_A_TIME)):
            whose = self._calls.attributions(every)
            found = (self._replaced(call, _asking(call, whose[call.attribution])) for call in every)
            self._add(filter(None, found), whose)

    def _replaced(self, call: RatedCall, asking: Mapping[str, str]) -> _Replaced | None:
        """Return a call that changes; `asking` decides which contracts cover it."""
        other = self._others.get(call.asked_model or "")
        if other is None:
            if self._costs_the_same(call, asking):
                return None
            parts = call.parts
        else:
            parts = [_with_model(part, other) for part in call.parts]
        before, after = self._costs(call, parts, asking)
        if other is None and before == after:
            return None
        return _Replaced(call, other, before, after)

    def _costs(
        self, call: RatedCall, parts: Sequence[Part], asking: Mapping[str, str]
    ) -> tuple[_Money, _Money]:
        """Return what a call costs and what it would have cost, with these parts."""
        had, state = call.rating.parts, call.call_class[_STATE]
        # What a plan charged is rated anew with its period, not call by call.
        on_plan = any(part.charge_plan for part in had)
        before = _money(had, call.cost_pico, state, 0 if on_plan else call.charge_pico)
        if not call.is_billable:
            return before, before
        rated = rate_parts(
            self._book,
            parts,
            asking,
            occurred_at_ns=call.occurred_at,
            completeness=call.call_class[_COMPLETENESS],
            billable=True,
        )
        money = money_of(rated, billable=True)
        return before, _money(rated, money.cost_pico, money.cost_state, 0 if on_plan else money.charge_pico)

    def _costs_the_same(self, call: RatedCall, asking: Mapping[str, str]) -> bool:
        """Tell of most calls that stay as they are that they do, by less work than rating takes."""
        if not call.is_billable:
            return True
        had, parts = call.rating.parts, call.parts
        if len(parts) != 1 or len(had) != 1:
            return False
        state, cost, charge, amounts = self._book.amounts(
            parts[0],
            occurred_at_ns=call.occurred_at,
            completeness=call.call_class[_COMPLETENESS],
            attribution=asking,
        )
        (part,) = had
        return (
            cost == part.cost_pico == call.cost_pico
            and state == call.call_class[_STATE]
            and (charge == call.charge_pico or bool(part.charge_plan))
            and amounts == [(line.unit, line.amount_pico) for line in part.lines]
        )

    def _add(self, replaced: Iterable[_Replaced], whose: Mapping[int, Attribution]) -> None:
        add = self._sums.add
        for call, other, before, after in replaced:
            attribution = whose[call.attribution]
            done = _as_it_counted(call, attribution)
            had = dims_of(done, self._dimensions)
            cell = attribution.fields["customer"], call.occurred_at, attribution.verified
            if other is None:
                add(*cell, had, (*_SAME_COUNTS, *map(sub, after, before)))
                continue
            has = dims_of(_with_other(done, other), self._dimensions)
            counts = _counts(call)
            add(*cell, had, tuple(map(neg, (*counts, *before))))
            add(*cell, has, (*counts, *after))


def _money(rated: Sequence[RatedLines], cost_pico: int | None, state: str, charge_pico: int | None) -> _Money:
    """Return the money of a call."""
    return (
        *(classes_of(rated, cost_pico) if cost_pico else _NO_COSTS),
        charge_pico or 0,
        1 if state in UNPRICED else 0,
        1 if state == _UNKNOWN else 0,
        1 if state == _ESTIMATED else 0,
    )


def _counts(call: RatedCall) -> tuple[int, ...]:
    """Return what a call has beside money as the first figures of `SUMS`."""
    tokens, read, written, output, reasoning = call.tokens
    status, outcome = call.call_class[CLASS_AT["status"]], call.call_class[CLASS_AT["outcome"]]
    failed = int(is_error(status, outcome))
    return 1, failed, call.total_us, tokens - read - written, read, written, output, reasoning


def _as_it_counted(call: RatedCall, whose: Attribution) -> Done:
    """Return as much of a call's record as dimensions look at."""
    known = dict(zip(CALL_CLASS, call.call_class, strict=True))
    attribution = {**whose.fields, **call.own}
    if call.step is not None:
        attribution["step"] = call.step
    return Done(
        event_id=b"",
        source=call.source,
        occurred_at_ns=call.occurred_at,
        ended_at_ns=call.occurred_at,
        attribution=attribution,
        extraction=Extraction(
            request_model=known["request_model"],
            response_model=known["model"],
            streamed=bool(known["streamed"]),
            completeness=known["completeness"],
        ),
        **{
            name: known[name]
            for name in (
                "provider", "surface", "host", "key_fingerprint", "status", "outcome", "error_class",
            )
        },
    )  # fmt: skip


def _with_other(done: Done, other: OtherModel) -> Done:
    extraction = msgspec.structs.replace(done.extraction, request_model=other.model)
    return msgspec.structs.replace(done, provider=other.provider or done.provider, extraction=extraction)


def _asking(call: RatedCall, whose: Attribution) -> Mapping[str, str]:
    """Return what decides which contracts cover a call."""
    key = call.call_class[_KEY]
    return {**whose.fields, **call.own, **({"key": key} if key else {})}


def _with_model(part: Part, other: OtherModel) -> Part:
    """Return a part of another model; what the provider stated that it cost was the other one's price."""
    return msgspec.structs.replace(
        part,
        provider=other.provider or part.provider,
        request_model=other.model,
        response_model=None,
        provider_cost_usd=None,
    )
