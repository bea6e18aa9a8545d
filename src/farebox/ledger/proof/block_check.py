"""Check one block of rows against its digest, and find the row that is not as it was appended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from farebox.errors import LedgerError
from farebox.ledger.append.blocks import (
    CALL,
    CALL_AT,
    RESPONSE_RUN_BITS,
    checksums_of,
    digest_of,
    encoded_rows,
)
from farebox.ledger.block_detail import decode_detail

SELECT = (
    "SELECT c.seq, "  # noqa: S608 - names from constants
    + ", ".join(
        {"source": "s.name", "call_class": "k.digest", "attribution": "a.digest"}.get(name, f"c.{name}")
        for name in CALL
    )
    + " FROM call c LEFT JOIN source s ON s.id = c.source "
    "LEFT JOIN call_class k ON k.id = c.call_class LEFT JOIN attribution a ON a.id = c.attribution "
)
"""Rows as a block's digest is made over them, their number before."""

_KEY_BITS = 32
_CHECKSUM_BYTES = 4
_RESPONSE = CALL_AT["response_key"]

Values = tuple[Any, ...]


class Checked(NamedTuple):
    """The result of checking a block's rows."""

    digest: bytes
    problem: tuple[str, int] | None
    """What is wrong however the digest is, and with which row."""
    suspect: tuple[str, int]
    """What is wrong, and with which row, where the digest is not the one that was promised."""


def check_block(first: int, last: int, rows: Sequence[Values], detail: bytes) -> Checked:
    """Return the result for a block's rows, given as `SELECT`."""
    encoded = encoded_rows(map(digested, rows))
    return Checked(
        digest_of(encoded, detail), _problem(first, last, rows), _suspect(first, last, encoded, detail)
    )


def _problem(first: int, last: int, rows: Sequence[Values]) -> tuple[str, int] | None:
    for seq, row in enumerate(rows, first):
        if row[0] != seq:
            return f"row {seq} is missing", seq
        key = row[1 + _RESPONSE]
        if key is not None and key >> _KEY_BITS != seq >> RESPONSE_RUN_BITS:
            return f"row {seq} is not as it was appended", seq
    if len(rows) != last - first + 1:
        return f"row {first + len(rows)} is missing", first + len(rows)
    return None


def _suspect(first: int, last: int, encoded: Sequence[bytes], detail: bytes) -> tuple[str, int]:
    """Return the first row whose checksum differs, else the block's first: then it is its detail."""
    try:
        promised = decode_detail(detail).checksums
    except LedgerError:
        return f"the records of rows {first} to {last} are not as they were appended", first
    found = checksums_of(encoded)
    for at in range(0, len(found), _CHECKSUM_BYTES):
        if found[at : at + _CHECKSUM_BYTES] != promised[at : at + _CHECKSUM_BYTES]:
            seq = first + at // _CHECKSUM_BYTES
            return f"row {seq} is not as it was appended", seq
    return f"one of rows {first} to {last} is not as it was appended", first


def digested(row: Values) -> Values:
    """Return a row of `SELECT` as the digest of its block is made over it."""
    values = list(row[1:])
    key = values[_RESPONSE]
    values[_RESPONSE] = None if key is None else key & (1 << _KEY_BITS) - 1
    return tuple(values)
