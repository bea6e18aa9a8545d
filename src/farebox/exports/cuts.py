"""Which rows of the record become events together.

A cut ends with a block of the record: where the next one was recorded in another hour or day, or after a
number of rows. Both are in the record, so a cut that is made again, after a kill or from an older
`control.db`, is the same one."""

from __future__ import annotations

from typing import NamedTuple

from farebox.channels.usage.usage_settings import Granularity
from farebox.ledger.database import Connection

HOUR_NS = 3_600 * 10**9
DAY_NS = 24 * HOUR_NS
PERIOD_NS: dict[Granularity, int] = {"hour": HOUR_NS, "day": DAY_NS}
ROWS_MAX = 20_000
"""Then a cut ends at the end of a block; of single calls, after `CALLS_MAX`."""
CALLS_MAX = 1_000
SETTLED_NS = 30 * 10**9
"""An hour of recording is over when it has been for so long: a block takes time to be written."""

_BLOCKS = (
    "SELECT first_seq, last_seq, recorded_at FROM block WHERE last_seq > ? ORDER BY first_seq LIMIT 5000"
)


class Cut(NamedTuple):
    """Rows `first_seq` to `last_seq`."""

    first_seq: int
    last_seq: int


def next_cut(connection: Connection, after: int, granularity: Granularity, now_ns: int) -> Cut | None:
    """Return the rows behind row `after` that are ready; None where the time of recording is not over yet."""
    period = PERIOD_NS.get(granularity)
    rows_max = ROWS_MAX if period else CALLS_MAX
    first, last, opened = after + 1, after, None
    while True:
        blocks = connection.execute(_BLOCKS, (last,)).fetchall()
        if not blocks:
            break
        for _, last_seq, recorded_at in blocks:
            this = recorded_at // period if period else 0
            if opened is not None and this != opened:
                return Cut(first, last)
            opened, last = this, last_seq
            if last - after >= rows_max:
                return Cut(first, last)
    if opened is None:
        return None
    if period and (opened + 1) * period + SETTLED_NS > now_ns:
        return None
    return Cut(first, last)
