"""Check one block of rows against its digest, and find the row that is not as it was appended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from farebox.errors import LedgerError
from farebox.ledger.append.blocks import CALL, CALL_AT, RESPONSE_RUN_BITS, digest_of
from farebox.ledger.append.dictionaries import class_digest
from farebox.ledger.append.entry import decode_rating, entry_of, money_of, token_totals
from farebox.ledger.append.judgement import Judged, done_of
from farebox.ledger.block_detail import decode_detail
from farebox.ledger.corrections.correction import decode_correction
from farebox.pricing.facts import RatedPart

SELECT = (
    "SELECT c.seq, "
    + ", ".join(
        {"source": "s.name", "call_class": "k.digest", "attribution": "a.digest"}.get(name, f"c.{name}")
        for name in CALL
    )
    + ", k.billable FROM call c LEFT JOIN source s ON s.id = c.source "
    "LEFT JOIN call_class k ON k.id = c.call_class LEFT JOIN attribution a ON a.id = c.attribution "
)
"""Rows as a block's digest is made over them, their number before and what `suspect` asks behind."""

_KEY_BITS = 32
_RESPONSE, _CLASS, _SIGN = CALL_AT["response_key"], CALL_AT["call_class"], CALL_AT["sign"]
_REVISION, _REVERSES, _WHOSE = CALL_AT["revision"], CALL_AT["reverses"], CALL_AT["attribution"]
_STEP, _COST, _INPUT = CALL_AT["step"], CALL_AT["cost_pico"], CALL_AT["input_tokens"]
_PART_NAMES = RatedPart.__struct_fields__[1:]

Values = tuple[Any, ...]


class Checked(NamedTuple):
    """What a block's rows come to."""

    digest: bytes
    problem: tuple[str, int] | None
    """What is wrong however the digest is, and with which row."""


def check_block(first: int, last: int, rows: Sequence[Values], detail: bytes) -> Checked:
    """Return the digest of a block's rows, given as `SELECT`."""
    problem: tuple[str, int] | None = None
    for seq, row in enumerate(rows, first):
        if row[0] != seq:
            problem = f"row {seq} is missing", seq
            break
        key = row[1 + _RESPONSE]
        if key is not None and key >> _KEY_BITS != seq >> RESPONSE_RUN_BITS:
            problem = f"row {seq} is not as it was appended", seq
            break
    if problem is None and len(rows) != last - first + 1:
        problem = f"row {first + len(rows)} is missing", first + len(rows)
    return Checked(digest_of(list(zip(*map(_as_digested, rows), strict=True)), detail), problem)


def suspect(
    first: int, last: int, rows: Sequence[Values], detail: bytes, reversed_rows: Mapping[int, Values]
) -> tuple[str, int]:
    """Say which row of a block is not what its record makes of it, and of which number.

    `reversed_rows` are the rows that reversals of this block take back, by their number.
    """
    try:
        records, ratings = decode_detail(detail)
    except LedgerError:
        return f"the records of rows {first} to {last} are not as they were appended", first
    for seq, (row, record, rating) in enumerate(zip(rows, records, ratings, strict=False), first):
        try:
            is_as_made = _is_as_made(row, record, bytes(rating), reversed_rows)
        except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, ValueError, ArithmeticError):
            is_as_made = False
        if not is_as_made:
            return f"row {seq} is not as it was appended", seq
    return f"one of rows {first} to {last} is not as it was appended", first


def _as_digested(row: Values) -> Values:
    values = list(row[1:-1])
    key = values[_RESPONSE]
    values[_RESPONSE] = None if key is None else key & (1 << _KEY_BITS) - 1
    return tuple(values)


def _is_as_made(row: Values, record: bytes, rating: bytes, reversed_rows: Mapping[int, Values]) -> bool:
    values = _as_digested(row)
    if values[_SIGN] < 0:
        return values == _reversal_of(reversed_rows.get(values[_REVERSES]), values[_REVERSES])
    decided = decode_rating(rating)
    rated = [
        msgspec.convert(dict(zip(_PART_NAMES, part[1:], strict=False)), RatedPart) for part in decided.parts
    ]
    billable = decided.not_billable_because is None and bool(row[-1])
    if values[_REVISION]:
        usage = decode_correction(record).usage
        money = money_of(rated, billable=billable)
        return (usage is None or values[_INPUT:] == token_totals(usage.parts)) and (
            not rated or values[_COST] == money.cost_pico
        )
    judged = Judged(done_of(record), billable, decided.not_billable_because)
    made = list(entry_of(judged, rated).values)
    made[_CLASS] = class_digest(made[_CLASS])
    made[_WHOSE] = values[_WHOSE]  # its digest is checked with the dictionary's
    return tuple(made) == values


def _reversal_of(row: Values | None, seq: int) -> Values | None:
    """Return what takes a row back."""
    if row is None:
        return None
    values = list(_as_digested(row))
    values[_REVISION] += 1
    values[_SIGN], values[_REVERSES] = -1, seq
    values[_COST:] = [None if value is None else -value for value in values[_COST:]]
    return tuple(values)
