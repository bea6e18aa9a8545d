"""The rows of a piece of the record, added up by minute and by whose calls they are: one statement a piece.

A reversal and its replacement are in one transaction and so in one piece; what they leave as it was comes
to nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from farebox.budgets.periods import SECOND_NS
from farebox.ledger.class_states import UNPRICED, is_error
from farebox.ledger.database import Connection
from farebox.ledger.feed import CLASS_COLUMNS, Feed

MINUTE_NS = 60 * SECOND_NS

COLUMNS = (
    "calls",
    "errors",
    "unpriced",
    "cost",
    "price",
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "tries",
    "retries",
    "cached_short",
    "cached_long",
    "cost_open",
    "price_open",
)
"""What sums can be of: `open` is by how much what is not known may be more. The last six are read from the
details of calls, where somebody asks."""
AT = {name: index for index, name in enumerate(COLUMNS)}
FROM_DETAIL = frozenset(("tries", "retries", "cached_short", "cached_long", "cost_open", "price_open"))
_ALWAYS = AT["price"] + 1
"""So many of them are in every group; the others only where somebody asks."""

# A sum of 64-bit amounts can be larger than 64 bits, so halves of them are added up.
_GROUPED = """
SELECT occurred_at / 60000000000, call_class, attribution, {bucket}, max(occurred_at), sum(sign),
       sum(cost_pico >> 32), sum(cost_pico & 4294967295), sum(charge_pico >> 32),
       sum(charge_pico & 4294967295){tokens}
FROM call WHERE seq > ? AND seq <= ? GROUP BY 1, 2, 3{by_bucket}
"""
_STATUS, _OUTCOME, _STATE = (CLASS_COLUMNS.index(name) for name in ("status", "outcome", "cost_state"))


class Group(NamedTuple):
    """Rows of one minute, one class of calls and one attribution."""

    minute_ns: int
    last_ns: int
    """When the last of them occurred."""
    call_class: int
    attribution: int
    latency: int
    """Of response times: which class, see `RowGroups`; 0 where nobody asks."""
    sums: Sequence[int]
    """As `RowGroups.columns`, signed."""


class RowGroups:
    """Reads groups of one open record. For one thread."""

    def __init__(self, connection: Connection, feed: Feed) -> None:
        self._connection = connection
        self._feed = feed
        self.steps: tuple[int, ...] = ()
        """Microseconds at which response times are told apart."""
        self.columns: tuple[int, ...] = ()
        """Which of `COLUMNS` groups have, in order."""
        self._empty: tuple[int, ...] = ()
        self._statement = ""
        self.use((), ())

    def use(self, columns: Collection[int], latency_steps: Collection[int]) -> None:
        """Add up these columns, among others, and tell response times apart at these microseconds:
        `latency` is how many of them were reached.
        """
        self.steps = tuple(sorted(latency_steps))
        self.columns = (*range(_ALWAYS), *sorted(each for each in set(columns) if each >= _ALWAYS))
        names = [COLUMNS[each] for each in self.columns[_ALWAYS:]]
        self._empty = (0,) * len(FROM_DETAIL.intersection(names))
        self._statement = _GROUPED.format(
            bucket=latency_class(self.steps),
            by_bucket=", 4" if self.steps else "",
            tokens="".join(f", sum({name})" for name in names if name not in FROM_DETAIL),
        )

    def of(self, after: int, upto: int) -> list[Group]:
        """Return the groups of rows `(after, upto]`, in the order of time."""
        rows = self._connection.execute(self._statement, (after, upto)).fetchall()
        classes = self._feed.classes({row[1] for row in rows})
        empty = self._empty
        return [_group(row, classes[row[1]], empty) for row in rows]


def latency_class(steps: Sequence[int], first: int = 0) -> str:
    """Return an expression of how many of these a response time has reached, besides `first` others."""
    if not steps:
        return str(first)
    middle = len(steps) // 2
    below = latency_class(steps[:middle], first)
    reached = latency_class(steps[middle + 1 :], first + middle + 1)
    return f"CASE WHEN total_us < {steps[middle]:d} THEN {below} ELSE {reached} END"


def _group(row: Sequence[Any], said: Sequence[Any], empty: tuple[int, ...]) -> Group:
    (
        minute, call_class, attribution, latency, last_ns, calls,
        cost_high, cost_low, price_high, price_low, *tokens,
    ) = row  # fmt: skip
    return Group(
        minute * MINUTE_NS,
        last_ns,
        call_class,
        attribution,
        latency,
        (
            calls,
            calls if is_error(said[_STATUS], said[_OUTCOME]) else 0,
            calls if said[_STATE] in UNPRICED else 0,
            ((cost_high or 0) << 32) + (cost_low or 0),
            ((price_high or 0) << 32) + (price_low or 0),
            *tokens,
            *empty,
        ),
    )
