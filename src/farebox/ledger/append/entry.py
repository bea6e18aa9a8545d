"""A call that is about to be appended: the values of its row, and its rating."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from farebox.journal import records
from farebox.journal.records import Done
from farebox.ledger.append.blocks import Row, response_checksum
from farebox.ledger.append.dictionaries import PER_CALL, Whose
from farebox.ledger.append.judgement import Judged
from farebox.money import INT64_MAX
from farebox.pricing.facts import RatedPart
from farebox.wire.facts import (
    CACHE_READ_LEAVES,
    CACHE_WRITE_LEAVES,
    INPUT_LEAVES,
    OUTPUT_LEAVES,
    Part,
)

Values = tuple[Any, ...]

_INPUT, _READ, _WRITE, _OUTPUT, _REASONING = range(5)
_total_of = {
    **dict.fromkeys(INPUT_LEAVES, _INPUT),
    **dict.fromkeys(CACHE_READ_LEAVES, _READ),
    **dict.fromkeys(CACHE_WRITE_LEAVES, _WRITE),
    **dict.fromkeys(OUTPUT_LEAVES, _OUTPUT),
    "output_reasoning": _REASONING,
}.get
"""Which totals a token leaf counts in."""

TOKENS_MAX = 1 << 40
"""More than this in one call cannot be right. It is kept in the detail and left out of the sums."""

_STATES = ("unknown", "unpriced", "estimated", "priced", "provider_reported", "included", "free")
"""The state of a call is the first of these that one of its parts has."""


class Rating(msgspec.Struct, frozen=True, array_like=True):
    """What was decided about an exchange when it became a row. New fields go to the end, with a default.

    Parts and lines are a `RatedPart` and its `CostLine`s without their field names, so these too
    grow at the end only.
    """

    not_billable_because: str | None
    list_cost_pico: int | None
    flags: tuple[str, ...]
    parts: tuple[tuple[Any, ...], ...]


_values_of = msgspec.structs.astuple
_encode = msgspec.msgpack.Encoder(decimal_format="string").encode
decode_rating = msgspec.msgpack.Decoder(Rating).decode

BEGUN = "background_response"
"""The extractor's reason for a response that has only begun."""

_NO_TOKENS = (0, 0, 0, 0, 0)
_TOO_LARGE = "amount_too_large"


def entry_of(judged: Judged, rated: Sequence[RatedPart]) -> Row:
    """Return an exchange and its rated parts as a row of revision 0. Takes the attribution out of `done`."""
    done, billable, not_billable_because = judged
    extraction = done.extraction
    response_id = extraction.response_id
    if len(rated) == 1:
        part = rated[0]
        state, cost, charge, list_cost = (
            part.cost_state,
            part.cost_pico,
            part.charge_pico,
            part.list_cost_pico,
        )
    else:
        state = _state(rated, billable=billable)
        cost, charge, list_cost = _money(rated, state)
    if not_billable_because == BEGUN:
        # What it costs is known once it is fetched.
        state, cost, charge, list_cost = "unknown", None, None, None
    flags: tuple[str, ...] = ()
    if cost is not None and not _are_storable(cost, charge, list_cost):
        state, cost, charge, list_cost = "unpriced", None, None, None
        flags = (_TOO_LARGE,)
    # Tokens that are not billed are counted in another call, or were never used: they stay out of the sums.
    tokens, tokens_flagged = _tokens(extraction.parts) if billable else (_NO_TOKENS, False)
    if tokens_flagged:
        flags = (*flags, "quantity_too_large")
    call_class = (
        done.provider,
        done.surface,
        done.host,
        extraction.response_model or extraction.request_model,
        extraction.request_model,
        done.key_fingerprint,
        done.status,
        done.outcome,
        done.error_class,
        1 if extraction.streamed else 0,
        extraction.completeness,
        1 if billable else 0,
        state,
    )
    whose, own = detached(done)
    values = (
        done.event_id,
        done.source,
        0,
        1,
        None,
        done.occurred_at_ns,
        call_class,
        whose,
        own.get("step"),
        own.get("parent_step"),
        None if response_id is None else response_checksum(response_id),
        done.max_tokens,
        done.first_byte_us,
        done.total_us,
        cost,
        charge,
        *tokens,
    )
    return Row(
        values,
        records.encode(done),
        (not_billable_because, list_cost, flags, [_part_values(part) for part in rated]),
    )


def detached(done: Done) -> tuple[Whose, Mapping[str, str]]:
    """Take the attribution out of `done` and return it: what calls share, and what is this call's own.

    The record that remains holds no personal values: it is covered by the chain and never erased.
    """
    attribution, sources = done.attribution, done.attribution_from
    if attribution.keys().isdisjoint(PER_CALL):
        done.attribution, done.attribution_from = {}, {}
        return Whose(tuple(attribution.items()), tuple(sources.items())), {}
    own = {name: value for name, value in attribution.items() if name in PER_CALL}
    done.attribution = own
    done.attribution_from = {name: value for name, value in sources.items() if name in own}
    return (
        Whose(
            tuple([item for item in attribution.items() if item[0] not in own]),
            tuple([item for item in sources.items() if item[0] not in own]),
        ),
        own,
    )


def _part_values(part: RatedPart) -> Values:
    return ([_values_of(line) for line in part.lines], *_values_of(part)[1:])


class Money(NamedTuple):
    """A call's totals once it is rated."""

    cost_state: str
    cost_pico: int | None
    charge_pico: int | None
    list_cost_pico: int | None
    too_large: bool = False
    """An amount was too large to be stored, so there is none."""


def money_of(rated: Sequence[RatedPart], *, billable: bool) -> Money:
    """Return the totals of rated parts."""
    state = _state(rated, billable=billable)
    cost, charge, list_cost = _money(rated, state)
    if cost is not None and not _are_storable(cost, charge, list_cost):
        return Money("unpriced", None, None, None, True)
    return Money(state, cost, charge, list_cost)


def rating_of(rated: Sequence[RatedPart], money: Money, because: str | None, flags: Sequence[str]) -> bytes:
    """Return what is stored of a rating: the lines, and what was decided."""
    kept = [flag for flag in flags if flag != _TOO_LARGE]
    if money.too_large:
        kept.append(_TOO_LARGE)
    return _encode((because, money.list_cost_pico, kept, [_part_values(part) for part in rated]))


def token_totals(parts: Sequence[Part]) -> tuple[int, ...]:
    """Return the five token totals as they are stored."""
    return _tokens(parts)[0]


def _state(rated: Sequence[RatedPart], *, billable: bool) -> str:
    if len(rated) == 1:
        return rated[0].cost_state
    if not rated:
        return "unknown" if billable else "free"
    states = {part.cost_state for part in rated}
    return next(state for state in _STATES if state in states)


def _money(rated: Sequence[RatedPart], state: str) -> tuple[int | None, int | None, int | None]:
    """Return cost, charge and list cost: sums of what is known, None where nothing is."""
    if len(rated) == 1:
        part = rated[0]
        return part.cost_pico, part.charge_pico, part.list_cost_pico
    if not rated:
        nothing = 0 if state == "free" else None
        return nothing, nothing, nothing
    return (
        _sum(part.cost_pico for part in rated),
        _sum(part.charge_pico for part in rated),
        _sum(part.list_cost_pico for part in rated),
    )


def _sum(amounts: Any) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def _are_storable(cost: int, charge: int | None, list_cost: int | None) -> bool:
    return (
        -INT64_MAX <= cost <= INT64_MAX
        and (charge is None or -INT64_MAX <= charge <= INT64_MAX)
        and (list_cost is None or -INT64_MAX <= list_cost <= INT64_MAX)
    )


def _tokens(parts: Sequence[Part]) -> tuple[tuple[int, ...], bool]:
    """Return the totals parts derive from their leaves, in one walk, and whether one was left out."""
    found = [0] * 5
    for part in parts:
        for leaf, count in part.quantities.items():
            at = _total_of(leaf)
            if at is not None:
                found[at] += count if type(count) is int else int(count)
    plain, reads, writes, output, reasoning = found
    totals = (plain + reads + writes, reads, writes, output + reasoning, reasoning)
    if max(totals) <= TOKENS_MAX and min(totals) >= -TOKENS_MAX:
        return totals, False
    return tuple([count if abs(count) <= TOKENS_MAX else 0 for count in totals]), True
