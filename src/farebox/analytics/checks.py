"""Compare the replica with the record: counts and sums of each range of rows (`farebox verify`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from farebox.analytics.query import RANGE_ROWS, AskRangeSums, RangeSums
from farebox.home import Home
from farebox.ledger.database import open_reader

if TYPE_CHECKING:
    from farebox.analytics.questions import Questions

SUMMED = (
    "sign",
    "occurred_at",
    "cost_pico",
    "charge_pico",
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "total_us",
    "first_byte_us",
)
"""Columns that are added up on both sides."""


class Comparison(msgspec.Struct, kw_only=True):
    """How the replica compared with the record."""

    rows: int
    different: list[int]
    """The first row of each range that was not the same."""
    repaired: bool
    """The replica was made again and is the same now."""


def compare(home: Home, questions: Questions) -> Comparison:
    """Compare every range, and make the replica again where one is different."""
    different, rows = _different(home, questions.reply(AskRangeSums(columns=list(SUMMED))).ranges)
    repaired = False
    if different:
        still, rows = _different(
            home, questions.reply(AskRangeSums(columns=list(SUMMED), rebuild=True)).ranges
        )
        repaired = not still
    return Comparison(rows=rows, different=different, repaired=repaired)


def _different(home: Home, ranges: list[RangeSums]) -> tuple[list[int], int]:
    stored = {each.part: each for each in ranges}
    rows = sum(each.rows for each in ranges)
    # The record may have grown since: the newest range is compared up to as many rows as the replica has.
    newest = max(stored, default=-1)
    found: list[int] = []
    for part in range(newest + 1):
        limit = stored[part].rows if part == newest and part in stored else None
        if _of_record(home, part, limit) != stored.get(part):
            found.append(max(part * RANGE_ROWS, 1))
    if not found and newest < 0 and _of_record(home, 0, None) is not None:
        found.append(1)
    return found, rows


def _of_record(home: Home, part: int, limit: int | None) -> RangeSums | None:
    """Return the same sums of the record's rows, whole numbers of any size."""
    connection = open_reader(home)
    if connection is None:
        return None
    # SQLite adds up in 64 bits and refuses to overflow: high and low halves are added apart.
    halves = ", ".join(
        f"coalesce(sum({name} >> 32), 0), coalesce(sum({name} & 4294967295), 0)" for name in SUMMED
    )
    inner = f"SELECT {', '.join(SUMMED)} FROM call WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?"  # noqa: S608
    first = part * RANGE_ROWS
    try:
        row = connection.execute(
            f"SELECT count(*), {halves} FROM ({inner})",  # noqa: S608 - names from constants
            (first, first + RANGE_ROWS - 1, -1 if limit is None else limit),
        ).fetchone()
    finally:
        connection.close()
    if not row[0]:
        return None
    sums = [(high << 32) + low for high, low in zip(row[1::2], row[2::2], strict=True)]
    return RangeSums(part=part, rows=row[0], sums=sums)
