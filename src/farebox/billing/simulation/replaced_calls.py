"""Calls of the record as they would have been by other prices, or with another model.

Each call is rated as it counts now, by the one rating function. With another model the token counts stay as
they were: another model's tokenizer, its longer or shorter responses and its cache are not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from farebox.analytics.dimensions import UNPRICED
from farebox.billing.simulation.changed_usage import ReplacedCall
from farebox.charges.usage.call_cell import cell_of
from farebox.charges.usage.cells import Cell
from farebox.charges.usage.cost_classes import RatedLines
from farebox.ledger.append.dictionaries import is_verified_by
from farebox.ledger.append.entry import money_of
from farebox.ledger.call_store import StoredCall, read_calls
from farebox.ledger.charging.call_dims import dims_of
from farebox.ledger.corrections.rerating import Book, asking_of, rate_parts
from farebox.ledger.cost_classes import CostedPart, CostedRating
from farebox.ledger.database import open_reader

if TYPE_CHECKING:
    from farebox.home import Home
    from farebox.journal.records import Done
    from farebox.ledger.database import Connection
    from farebox.wire.facts import Part

CALLS_AT_A_TIME = 2_000
_UNKNOWN, _ESTIMATED = "unknown", "estimated"
_decode = msgspec.msgpack.Decoder(CostedRating).decode
_WITHIN = "o.seq > ? AND o.seq <= ? AND o.occurred_at >= ? AND o.occurred_at < ? "
_OF_MODEL = (
    "AND o.call_class IN (SELECT id FROM call_class WHERE coalesce(request_model, model) "
    "IN (SELECT value FROM json_each(?))) "
)


class OtherModel(NamedTuple):
    """A model in the place of another one."""

    asked_for: str
    """The model that calls asked for, as it is written in them."""
    model: str
    provider: str | None = None
    """None: the provider that the call went to."""


class Replacement(NamedTuple):
    """What would have been different."""

    book: Book
    """The prices that calls are rated by."""
    models: tuple[OtherModel, ...] = ()
    """None: every call is rated as it was, by the prices of `book`."""


def replaced_calls(
    home: Home,
    replacement: Replacement,
    from_ns: int,
    until_ns: int,
    seq: int,
    dimensions: Sequence[str],
) -> Iterator[ReplacedCall]:
    """Yield the calls of `[from_ns, until_ns)` up to row `seq` that would have been others.

    Calls without a customer are nobody's and left out; so are those that would have cost the same.
    """
    connection = open_reader(home)
    if connection is None:
        return
    try:
        for call in _calls(connection, replacement, from_ns, until_ns, seq):
            replaced = _replaced(call, replacement, dimensions)
            if replaced is not None:
                yield replaced
    finally:
        connection.close()


def _calls(
    connection: Connection, replacement: Replacement, from_ns: int, until_ns: int, seq: int
) -> Iterator[StoredCall]:
    asked = msgspec.json.encode([each.asked_for for each in replacement.models]).decode()
    where, more = (_WITHIN + _OF_MODEL, (asked,)) if replacement.models else (_WITHIN, ())
    last = 0
    while True:
        found = read_calls(
            connection,
            f"{where}ORDER BY o.seq LIMIT {CALLS_AT_A_TIME}",
            (last, seq, from_ns, until_ns, *more),
        )
        yield from (call for call in found if call.row <= seq and call.billable)
        if len(found) < CALLS_AT_A_TIME:
            return
        last = found[-1].seq


def _replaced(call: StoredCall, replacement: Replacement, dimensions: Sequence[str]) -> ReplacedCall | None:
    customer = call.done.attribution.get("customer", "")
    if not customer:
        return None
    extraction = call.extraction
    before = parts = extraction.parts
    for other in replacement.models:
        if other.asked_for == (call.request_model or call.model):
            parts = [_with_model(part, other) for part in before]
            extraction = msgspec.structs.replace(extraction, request_model=other.model, parts=parts)
    done = msgspec.structs.replace(call.done, extraction=extraction)
    if parts is not before and parts:
        done.provider = parts[0].provider
    rated = rate_parts(
        replacement.book,
        parts,
        asking_of(done),
        occurred_at_ns=call.occurred_at,
        completeness=call.completeness,
        billable=True,
    )
    had = dims_of(_as_it_counts(call), dimensions)
    had_rating = _rated(call)
    # What a plan charged is rated anew with its period, not call by call.
    on_plan = any(part.charge_plan for part in had_rating)
    charges = (0, 0) if on_plan else (call.charge_pico or 0, sum(part.charge_pico or 0 for part in rated))
    was = _cell(customer, call, before, had_rating, call.cost_state, had, charges[0])
    state = money_of(rated, billable=True).cost_state
    would_be = _cell(customer, call, parts, rated, state, dims_of(done, dimensions), charges[1])
    if was == would_be:
        return None
    verified = is_verified_by(call.done.attribution_from.get("customer"))
    return ReplacedCall(call.occurred_at, was, would_be, verified)


def _cell(
    customer: str,
    call: StoredCall,
    parts: Sequence[Part],
    rated: Sequence[RatedLines],
    state: str,
    dims: Mapping[str, str],
    charge_pico: int,
) -> Cell:
    return msgspec.structs.replace(
        cell_of(parts, rated, dims, at_ns=call.occurred_at, total_us=call.total_us),
        customer=customer,
        charge_pico=charge_pico,
        unpriced_calls=int(state in UNPRICED),
        unknown_calls=int(state == _UNKNOWN),
        estimated_calls=int(state == _ESTIMATED),
    )


def _as_it_counts(call: StoredCall) -> Done:
    return msgspec.structs.replace(call.done, extraction=call.extraction)


def _with_model(part: Part, other: OtherModel) -> Part:
    """Return a part of another model; what the provider stated that it cost was the other one's price."""
    return msgspec.structs.replace(
        part,
        provider=other.provider or part.provider,
        request_model=other.model,
        response_model=None,
        provider_cost_usd=None,
    )


def _rated(call: StoredCall) -> Sequence[CostedPart]:
    return _decode(call.rating).parts
