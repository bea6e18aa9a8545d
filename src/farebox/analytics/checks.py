"""Compare the replica with the record: counts and sums of each range of rows (`farebox verify`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from farebox.analytics.query import RANGE_ROWS, AskRangeSums, RangeSums, Reply
from farebox.home import Home
from farebox.ledger.call_store import MEASURED
from farebox.ledger.database import Connection, open_reader

if TYPE_CHECKING:
    from farebox.analytics.questions import Questions

_COLUMNS = ("sign", "occurred_at", "cost_pico", "charge_pico", *MEASURED, "total_us", "first_byte_us")
_SUMMED = {**{name: name for name in _COLUMNS}, "cost_classes_pico": "cost_pico"}
"""What is summed in the replica, to what has to be the same in the record."""


class Comparison(msgspec.Struct, kw_only=True):
    """How the replica compared with the record."""

    rows: int = 0
    """The replica's rows, reversals and replacements among them."""
    different: list[int] = []
    """The first row of each range that was not the same."""
    repaired: bool = False
    """The replica was made again and is the same now."""


def compare(home: Home, questions: Questions) -> Comparison:
    """Compare every range, and make the replica again where one is different."""
    different, rows = _different(home, questions.reply(AskRangeSums(columns=list(_SUMMED))))
    repaired = False
    if different:
        again = questions.reply(AskRangeSums(columns=list(_SUMMED), rebuild=True))
        still, rows = _different(home, again)
        repaired = not still
    return Comparison(rows=rows, different=different, repaired=repaired)


def _different(home: Home, reply: Reply) -> tuple[list[int], int]:
    """Return where ranges begin that differ, and the number of rows; the record may have grown since."""
    stored = {each.part: each for each in reply.ranges}
    connection = open_reader(home)
    if connection is None:
        return [], 0
    try:
        found = [
            max(part * RANGE_ROWS, 1)
            for part in range(max([reply.seq // RANGE_ROWS, *stored]) + 1)
            if _of_record(connection, part, reply.seq) != stored.get(part)
        ]
    finally:
        connection.close()
    return found, sum(each.rows for each in reply.ranges)


def _of_record(connection: Connection, part: int, last_seq: int) -> RangeSums | None:
    """Return the same sums of the record's rows, whole numbers of any size."""
    # SQLite adds up in 64 bits and refuses to overflow: high and low halves are added apart.
    halves = ", ".join(
        f"coalesce(sum({name} >> 32), 0), coalesce(sum({name} & 4294967295), 0)" for name in _SUMMED.values()
    )
    first = part * RANGE_ROWS
    row = connection.execute(
        f"SELECT count(*), {halves} FROM call WHERE seq BETWEEN ? AND ?",  # noqa: S608 - constants
        (first, min(first + RANGE_ROWS - 1, last_seq)),
    ).fetchone()
    if not row[0]:
        return None
    sums = [(high << 32) + low for high, low in zip(row[1::2], row[2::2], strict=True)]
    return RangeSums(part=part, rows=row[0], sums=sums)
